#include "tls/provider.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include <mutex>
#include <utility>

#include "seaworthy/status_macros.h"
#include "seaworthy/tls/key_provider.h"
#include "seaworthy/tpm/tss2_pem.h"

namespace seaworthy::tls {
namespace {

using ProviderPtr = CPtr<OSSL_PROVIDER, OSSL_PROVIDER_unload>;

// Where signatures go. Process-wide, because OpenSSL's registration of providers is.
struct SigningRoute {
  // Held shared while signing, so that a KeyProvider is not gone under a signature.
  std::shared_mutex mutex;
  tpm::Broker* broker = nullptr;
  std::chrono::milliseconds timeout{};
  // OpenSSL's own, loaded with the first KeyProvider and never unloaded.
  OSSL_PROVIDER* default_provider = nullptr;
};

SigningRoute& Route() {
  static SigningRoute route;
  return route;
}

const OSSL_ALGORITHM* Query(void*, int operation, int* no_cache) {
  *no_cache = 0;
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return kKeyManagement;
    case OSSL_OP_SIGNATURE:
      return kSignature;
    case OSSL_OP_DECODER:
      return kDecoder;
    default:
      return nullptr;
  }
}

void Teardown(void* context) { delete static_cast<ProviderContext*>(context); }

const OSSL_PARAM* GettableParams(void*) {
  static const OSSL_PARAM params[] = {
      OSSL_PARAM_DEFN(OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, nullptr, 0),
      OSSL_PARAM_END,
  };
  return params;
}

int GetParams(void*, OSSL_PARAM params[]) {
  OSSL_PARAM* name = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
  OSSL_PARAM* status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
  if (name != nullptr && OSSL_PARAM_set_utf8_ptr(name, "Seaworthy TPM keys") != 1) return 0;
  return status == nullptr || OSSL_PARAM_set_int(status, 1) == 1 ? 1 : 0;
}

int Initialize(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH* core, const OSSL_DISPATCH** out,
               void** context) {
  static const OSSL_DISPATCH dispatch[] = {
      Entry<OSSL_FUNC_provider_query_operation_fn>(OSSL_FUNC_PROVIDER_QUERY_OPERATION, Query),
      Entry<OSSL_FUNC_provider_teardown_fn>(OSSL_FUNC_PROVIDER_TEARDOWN, Teardown),
      Entry<OSSL_FUNC_provider_gettable_params_fn>(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS,
                                                   GettableParams),
      Entry<OSSL_FUNC_provider_get_params_fn>(OSSL_FUNC_PROVIDER_GET_PARAMS, GetParams),
      {0, nullptr},
  };
  *out = dispatch;
  *context = new ProviderContext(core);
  return 1;
}

// What is done once for the process and never undone: OpenSSL keeps a built-in provider's
// registration, and it does not load its default provider by itself again once another has
// been loaded by name, so that one stays.
Status PrepareProcess(SigningRoute& route) {
  if (route.default_provider != nullptr) return {};
  ERR_clear_error();
  if (OSSL_PROVIDER_add_builtin(nullptr, kProviderName, Initialize) == 1 &&
      // A preference, no demand: else the default provider would be asked to read our keys.
      EVP_set_default_properties(nullptr, "?provider=default") == 1) {
    route.default_provider = OSSL_PROVIDER_load(nullptr, "default");
  }
  if (route.default_provider != nullptr) return {};
  return FromOpenssl(Code::kInternal, "OPENSSL_FAILED", "preparing OpenSSL for TPM keys");
}

}  // namespace

ProviderContext::ProviderContext(const OSSL_DISPATCH* core) {
  for (; core->function_id != 0; ++core) {
    if (core->function_id == OSSL_FUNC_BIO_GETS) gets_ = OSSL_FUNC_BIO_gets(core);
  }
}

Result<Bytes> SignWithTpm(const tpm::WrappedKey& key, tpm::SignatureScheme scheme,
                          tpm::HashAlgorithm hash, ByteView digest) {
  SigningRoute& route = Route();
  const std::shared_lock lock(route.mutex);
  if (route.broker == nullptr) {
    return Fail(Code::kFailedPrecondition, "KEY_PROVIDER_UNLOADED",
                "the provider of TPM keys is not loaded");
  }
  return route.broker->Run(DeadlineIn(route.timeout), [&](tpm::Context& context) {
    return tpm::Sign(context, key, scheme, hash, digest);
  });
}

Result<ProviderKey*> ProviderKey::FromWrapped(tpm::WrappedKey key) {
  ASSIGN_OR_RETURN(const tpm::PublicKey half, tpm::ReadPublicKey(key));
  const unsigned char* der = half.subject_public_key_info.data();
  EvpPkeyPtr public_key(d2i_PUBKEY_ex(nullptr, &der,
                                      static_cast<long>(half.subject_public_key_info.size()),
                                      nullptr, "provider=default"));
  if (public_key == nullptr) {
    return FromOpenssl(Code::kInvalidArgument, "INVALID_TPM_PUBLIC", "the key's public half");
  }
  auto* made = new ProviderKey;
  made->public_key = std::move(public_key);
  made->wrapped = std::move(key);
  return made;
}

class KeyProvider::State {
 public:
  explicit State(ProviderPtr loaded) : provider(std::move(loaded)) {}
  ProviderPtr provider;
};

KeyProvider::KeyProvider(std::unique_ptr<State> state) : state_(std::move(state)) {}

KeyProvider::~KeyProvider() {
  const std::unique_lock lock(Route().mutex);
  Route().broker = nullptr;
}

Result<std::unique_ptr<KeyProvider>> KeyProvider::Load(tpm::Broker& broker, Options options) {
  SigningRoute& route = Route();
  const std::unique_lock lock(route.mutex);
  RETURN_IF_ERROR(PrepareProcess(route));
  if (route.broker != nullptr) {
    return Fail(Code::kAlreadyExists, "KEY_PROVIDER_LOADED",
                "a provider of TPM keys is loaded already in this process");
  }
  ProviderPtr provider(OSSL_PROVIDER_load(nullptr, kProviderName));
  if (provider == nullptr) {
    return FromOpenssl(Code::kInternal, "OPENSSL_FAILED", "loading the provider of TPM keys");
  }
  route.broker = &broker;
  route.timeout = options.sign_timeout;
  return std::unique_ptr<KeyProvider>(
      new KeyProvider(std::make_unique<State>(std::move(provider))));
}

Result<EvpPkeyPtr> KeyProvider::Key(const tpm::WrappedKey& key) const {
  // Checked first, for the reason; the decoder's errors are OpenSSL's.
  RETURN_IF_ERROR(tpm::ReadPublicKey(key).status());
  ERR_clear_error();
  const std::string pem = tpm::ToTss2Pem(key);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EvpPkeyPtr loaded(
      PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, nullptr, nullptr, nullptr, kProviderProperty));
  if (loaded == nullptr) {
    return FromOpenssl(Code::kInvalidArgument, "INVALID_TSS2_PEM", "loading the key");
  }
  return loaded;
}

}  // namespace seaworthy::tls
