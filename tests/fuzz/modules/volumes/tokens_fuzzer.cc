// Each token reader, whatever the type says, and what people type as a recovery key. What is read
// is written as one that reads the same.
#include "seaworthy/modules/volumes/tokens.h"

#include <cstdlib>

#include "seaworthy/modules/volumes/recovery_key.h"

namespace {

template <class Parse>
void ReadAndWrite(std::string_view text, const Parse& parse) {
  const auto token = parse(text);
  if (!token.ok()) return;
  const std::string written = ToJson(*token);
  // What is written can be longer than what was read: blanks go, but base64 and escapes stay.
  if (written.size() > seaworthy::volumes::kMaxToken) return;
  const auto again = parse(written);
  if (!again.ok() || ToJson(*again) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace volumes = seaworthy::volumes;
  const std::string_view text = seaworthy::AsText({data, size});
  ReadAndWrite(text, volumes::ParseSystemdTpm2Token);
  ReadAndWrite(text, volumes::ParseSystemdRecoveryToken);
  ReadAndWrite(text, volumes::ParseGuardRecord);
  const auto clevis = volumes::ParseClevisToken(text);
  if (clevis.ok()) {
    constexpr std::string_view kKey =
        R"({"alg":"A256GCM","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","kty":"oct"})";
    if (DecryptClevis(*clevis, seaworthy::AsBytes(kKey)).ok()) std::abort();
  }
  // The same bytes as the key that the TPM unsealed.
  const volumes::ClevisToken none;
  if (DecryptClevis(none, {data, size}).ok()) std::abort();
  const auto key = volumes::ParseRecoveryKey(seaworthy::SecretBytes::Copy({data, size}));
  if (key.ok() && volumes::ParseRecoveryKey(*key)->size() != key->size()) std::abort();
  return 0;
}
