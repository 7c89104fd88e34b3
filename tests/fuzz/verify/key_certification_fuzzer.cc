// A certification from a stranger: 16 bits of length, a SubjectPublicKeyInfo, the message.
#include <algorithm>
#include <cstdlib>

#include "seaworthy/verify.h"
#include "verify/tpm_structures.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView input(data + 2, size - 2);
  const std::size_t length = static_cast<std::size_t>(data[0] << 8 | data[1]);
  const ByteView subject = input.first(std::min(length, input.size()));
  const auto certification = verify::ParseKeyCertification(input.subspan(subject.size()));
  if (!certification.ok()) return 0;
  // Enrolled key and nonce are the certification's own, so that every check is reached.
  const auto name = verify::NameOf(certification->ak_public);
  const auto attest = verify::ParseAttest(certification->attested);
  const Bytes nonce = attest.ok() ? attest->extra_data : Bytes(20);
  const verify::Verdict verdict =
      VerifyKeyCertification(*certification, nonce, {name.ok() ? *name : Bytes()}, subject);
  if (!verdict.trusted) return 0;
  // Trust is in the key by name.
  const auto certified = verify::NameOf(certification->key_public);
  if (!certified.ok() || !attest.ok() || *certified != attest->certified_name) std::abort();
  return 0;
}
