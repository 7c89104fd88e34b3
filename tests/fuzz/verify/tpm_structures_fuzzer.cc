// The TPM structures themselves, and keys and signatures made of them.
#include "verify/tpm_structures.h"

#include <cstdlib>

#include "verify/signature.h"

namespace {

using seaworthy::ByteView;
namespace verify = seaworthy::verify;

void FuzzPublicArea(ByteView bytes) {
  const auto area = verify::ParsePublicArea(bytes);
  if (!area.ok()) return;
  verify::AttributeNames(area->attributes);
  static_cast<void>(verify::NameOf(bytes));
  static_cast<void>(verify::ToOpenssl(*area));
}

// A signature by no key of ours never holds.
void FuzzSignature(ByteView bytes) {
  const auto signature = verify::ParseSignature(bytes);
  if (!signature.ok()) return;
  // The generator of P-256, a point on the curve.
  verify::PublicArea key;
  key.type = 0x0023;
  key.curve = 0x0003;
  key.scheme = signature->scheme;
  key.scheme_hash = signature->hash;
  key.x = seaworthy::ParseHex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
              .value();
  key.y = seaworthy::ParseHex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
              .value();
  if (verify::CheckSignature(key, *signature, bytes).ok()) std::abort();
}

void FuzzAttest(ByteView bytes) {
  const auto attest = verify::ParseAttest(bytes);
  if (!attest.ok()) return;
  const auto header = verify::ParseAttestHeader(bytes);
  if (!header.ok() || header->type != attest->header.type) std::abort();
  for (const verify::PcrBank& bank : attest->pcrs) {
    for (const std::uint32_t index : bank.indices) {
      if (index >= 32) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  FuzzPublicArea(bytes);
  FuzzSignature(bytes);
  FuzzAttest(bytes);
  return 0;
}
