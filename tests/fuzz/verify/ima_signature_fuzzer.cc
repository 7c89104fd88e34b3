// An attribute of a file from a stranger: what is parsed is encoded to the same bytes, and the key
// that it is said to be by, which signed nothing, does not take it.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "seaworthy/ima_signature.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

verify::ImaKeys ReadKey() {
  std::ifstream stream(TEST_DATA "/captures/swtpm-ecdsa-p256/ak.pub.pem");
  const std::string pem{std::istreambuf_iterator<char>(stream), {}};
  return verify::ImaKeys::Parse({pem}).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const verify::ImaKeys keys = ReadKey();
  const ByteView attribute(data, size);
  auto signature = verify::ImaSignature::Parse(attribute);
  if (!signature.ok()) return 0;
  if (signature->Encode() != Bytes(attribute.begin(), attribute.end())) std::abort();
  signature->key_id = keys.Ids().front();
  if (keys.Check(*signature, Bytes(32)).ok()) std::abort();
  return 0;
}
