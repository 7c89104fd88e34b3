// Deprecated is what is wanted here, see the header.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "verify/short_digest.h"

#include <openssl/sha.h>
#include <tss2/tss2_tpm2_types.h>

#include <cstdlib>

namespace seaworthy::verify {
namespace {

template <class Context>
void Run(int (*init)(Context*), int (*update)(Context*, const void*, std::size_t),
         int (*final)(unsigned char*, Context*), std::initializer_list<ByteView> parts,
         std::uint8_t* out) {
  Context context;
  init(&context);
  for (const ByteView part : parts) update(&context, part.data(), part.size());
  final(out, &context);
}

}  // namespace

void ShortDigest(std::uint16_t hash, std::initializer_list<ByteView> parts, std::uint8_t* out) {
  switch (hash) {
    case TPM2_ALG_SHA1:
      return Run(SHA1_Init, SHA1_Update, SHA1_Final, parts, out);
    case TPM2_ALG_SHA256:
      return Run(SHA256_Init, SHA256_Update, SHA256_Final, parts, out);
    case TPM2_ALG_SHA384:
      return Run(SHA384_Init, SHA384_Update, SHA384_Final, parts, out);
    case TPM2_ALG_SHA512:
      return Run(SHA512_Init, SHA512_Update, SHA512_Final, parts, out);
    default:
      std::abort();  // callers know the banks
  }
}

}  // namespace seaworthy::verify
