// DECODER "input=pem": recognizes a TSS2 PRIVATE KEY and hands its reference to KEYMGMT.
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <string>
#include <string_view>

#include "seaworthy/tpm/tss2_pem.h"
#include "tls/provider.h"

namespace seaworthy::tls {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kBeginTss2 = "-----BEGIN TSS2 PRIVATE KEY-----";
constexpr std::string_view kEndTss2 = "-----END TSS2 PRIVATE KEY-----";
// Text before the block that is skipped; PEM files may have such.
constexpr std::size_t kMaxPreamble = 64 * 1024;

// A decoder's context is the provider's: nothing is kept between calls.
void* NewContext(void* provider) { return provider; }
void FreeContext(void*) {}

// The first PEM block when it is a TSS2 key, and empty when it is not. Leaves the BIO after
// the block.
std::string ReadTss2Block(const ProviderContext& provider, OSSL_CORE_BIO* bio) {
  std::string pem;
  std::size_t skipped = 0;
  char line[512];
  while (true) {
    const int size = provider.ReadLine(bio, line, static_cast<int>(sizeof(line)));
    if (size <= 0) return {};
    const std::string_view text(line, static_cast<std::size_t>(size));
    if (pem.empty() && !text.starts_with(kBegin)) {
      skipped += text.size();
      if (skipped > kMaxPreamble) return {};
      continue;
    }
    if (pem.empty() && !text.starts_with(kBeginTss2)) return {};
    pem += text;
    if (text.starts_with(kEndTss2)) return pem;
    if (pem.size() > tpm::kMaxTss2Pem) return {};
  }
}

int PassOn(ProviderKey* key, OSSL_CALLBACK* callback, void* argument) {
  int object_type = OSSL_OBJECT_PKEY;
  std::string type = EVP_PKEY_is_a(key->public_key.get(), "EC") == 1 ? "EC" : "RSA";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &object_type),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, type.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof(key)),
      OSSL_PARAM_construct_end(),
  };
  return callback(params, argument);
}

// 1 without a call of `callback` means: not mine, let others try.
int Decode(void* context, OSSL_CORE_BIO* bio, int, OSSL_CALLBACK* callback, void* argument,
           OSSL_PASSPHRASE_CALLBACK*, void*) {
  const std::string pem = ReadTss2Block(*static_cast<ProviderContext*>(context), bio);
  if (pem.empty()) return 1;
  auto wrapped = tpm::ParseTss2Pem(pem);
  if (!wrapped.ok()) {
    RaiseStatus(wrapped.status());
    return 0;
  }
  const auto key = ProviderKey::FromWrapped(*std::move(wrapped));
  if (!key.ok()) {
    RaiseStatus(key.status());
    return 0;
  }
  const int taken = PassOn(*key, callback, argument);
  (*key)->Release();
  return taken;
}

int DoesSelection(void*, int selection) {
  return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? 1 : 0;
}

const OSSL_DISPATCH kPem[] = {
    Entry<OSSL_FUNC_decoder_newctx_fn>(OSSL_FUNC_DECODER_NEWCTX, NewContext),
    Entry<OSSL_FUNC_decoder_freectx_fn>(OSSL_FUNC_DECODER_FREECTX, FreeContext),
    Entry<OSSL_FUNC_decoder_does_selection_fn>(OSSL_FUNC_DECODER_DOES_SELECTION, DoesSelection),
    Entry<OSSL_FUNC_decoder_decode_fn>(OSSL_FUNC_DECODER_DECODE, Decode),
    {0, nullptr},
};

}  // namespace

// One for each kind of key: OpenSSL picks decoders by the name of what they produce.
const OSSL_ALGORITHM kDecoder[] = {
    {kEcNames, "provider=seaworthy,input=pem", kPem, "TSS2 PRIVATE KEY PEM, EC"},
    {kRsaNames, "provider=seaworthy,input=pem", kPem, "TSS2 PRIVATE KEY PEM, RSA"},
    {nullptr, nullptr, nullptr, nullptr},
};

}  // namespace seaworthy::tls
