// KEYMGMT for EC and RSA. Everything about the public half is passed on to the default
// provider's key. Export gives the public half and only when no more is asked for: OpenSSL
// asks for the whole key before it signs, is refused, and so comes back here to sign.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <array>
#include <memory>

#include "tls/provider.h"

namespace seaworthy::tls {
namespace {

using PkeyCtxPtr = CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

ProviderKey* AsKey(void* key) { return static_cast<ProviderKey*>(key); }
const ProviderKey* AsKey(const void* key) { return static_cast<const ProviderKey*>(key); }

void* New(void*) { return new ProviderKey; }

void Free(void* key) {
  if (key != nullptr) AsKey(key)->Release();
}

// The reference is a ProviderKey*, made by the decoder, which keeps an owner's count of its own.
void* LoadReference(const void* reference, std::size_t size) {
  if (size != sizeof(ProviderKey*)) return nullptr;
  ProviderKey* key = *static_cast<ProviderKey* const*>(reference);
  key->Retain();
  return key;
}

int Has(const void* key, int selection) {
  const ProviderKey* const self = AsKey(key);
  if (self == nullptr || self->public_key == nullptr) return 0;
  return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || self->wrapped.has_value() ? 1 : 0;
}

int Match(const void* a, const void* b, int) {
  const ProviderKey* const left = AsKey(a);
  const ProviderKey* const right = AsKey(b);
  if (left->public_key == nullptr || right->public_key == nullptr) return 0;
  return EVP_PKEY_eq(left->public_key.get(), right->public_key.get()) == 1 ? 1 : 0;
}

// Takes the public half alone, so that keys from elsewhere can be compared with ours; a private
// half beside it is not looked at.
int Import(void* key, const char* type, const OSSL_PARAM params[]) {
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, "provider=default"));
  EVP_PKEY* made = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY,
                        const_cast<OSSL_PARAM*>(params)) != 1) {
    return 0;
  }
  AsKey(key)->public_key.reset(made);
  return 1;
}

int ImportEc(void* key, int, const OSSL_PARAM params[]) { return Import(key, "EC", params); }
int ImportRsa(void* key, int, const OSSL_PARAM params[]) { return Import(key, "RSA", params); }

const OSSL_PARAM* ImportTypesEc(int selection) {
  static const OSSL_PARAM types[] = {
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, nullptr, 0),
      OSSL_PARAM_END,
  };
  return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : nullptr;
}

const OSSL_PARAM* ImportTypesRsa(int selection) {
  static const OSSL_PARAM types[] = {
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, 0),
      OSSL_PARAM_END,
  };
  return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : nullptr;
}

int Export(void* key, int selection, OSSL_CALLBACK* callback, void* argument) {
  const ProviderKey* const self = AsKey(key);
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || self->public_key == nullptr) return 0;
  OSSL_PARAM* params = nullptr;
  if (EVP_PKEY_todata(self->public_key.get(), EVP_PKEY_PUBLIC_KEY, &params) != 1) return 0;
  const std::unique_ptr<OSSL_PARAM, CDelete<OSSL_PARAM_free>> owned(params);
  return callback(params, argument);
}

int GetParams(void* key, OSSL_PARAM params[]) {
  const ProviderKey* const self = AsKey(key);
  return self->public_key != nullptr ? EVP_PKEY_get_params(self->public_key.get(), params) : 0;
}

constexpr OSSL_PARAM kCommonParams[] = {
    OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_BITS, OSSL_PARAM_INTEGER, nullptr, 0),
    OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_SECURITY_BITS, OSSL_PARAM_INTEGER, nullptr, 0),
    OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_MAX_SIZE, OSSL_PARAM_INTEGER, nullptr, 0),
    OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, 0),
};

const OSSL_PARAM* GettableParamsEc(void*) {
  static const OSSL_PARAM params[] = {
      kCommonParams[0],
      kCommonParams[1],
      kCommonParams[2],
      kCommonParams[3],
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, OSSL_PARAM_UTF8_STRING, nullptr,
                      0),
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, OSSL_PARAM_OCTET_STRING, nullptr, 0),
      OSSL_PARAM_END,
  };
  return params;
}

const OSSL_PARAM* GettableParamsRsa(void*) {
  static const OSSL_PARAM params[] = {
      kCommonParams[0],
      kCommonParams[1],
      kCommonParams[2],
      kCommonParams[3],
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, nullptr, 0),
      OSSL_PARAM_END,
  };
  return params;
}

const char* OperationNameEc(int operation) {
  return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC";
}
const char* OperationNameRsa(int) { return "RSA"; }

// Both kinds have the same functions but for these.
struct Kind {
  OSSL_FUNC_keymgmt_import_fn* import;
  OSSL_FUNC_keymgmt_import_types_fn* import_types;
  OSSL_FUNC_keymgmt_gettable_params_fn* gettable_params;
  OSSL_FUNC_keymgmt_query_operation_name_fn* operation_name;
};

std::array<OSSL_DISPATCH, 13> MakeDispatch(const Kind& kind) {
  return {
      Entry<OSSL_FUNC_keymgmt_new_fn>(OSSL_FUNC_KEYMGMT_NEW, New),
      Entry<OSSL_FUNC_keymgmt_free_fn>(OSSL_FUNC_KEYMGMT_FREE, Free),
      Entry<OSSL_FUNC_keymgmt_load_fn>(OSSL_FUNC_KEYMGMT_LOAD, LoadReference),
      Entry<OSSL_FUNC_keymgmt_has_fn>(OSSL_FUNC_KEYMGMT_HAS, Has),
      Entry<OSSL_FUNC_keymgmt_match_fn>(OSSL_FUNC_KEYMGMT_MATCH, Match),
      Entry<OSSL_FUNC_keymgmt_import_fn>(OSSL_FUNC_KEYMGMT_IMPORT, kind.import),
      Entry<OSSL_FUNC_keymgmt_import_types_fn>(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, kind.import_types),
      Entry<OSSL_FUNC_keymgmt_export_fn>(OSSL_FUNC_KEYMGMT_EXPORT, Export),
      Entry<OSSL_FUNC_keymgmt_export_types_fn>(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, kind.import_types),
      Entry<OSSL_FUNC_keymgmt_get_params_fn>(OSSL_FUNC_KEYMGMT_GET_PARAMS, GetParams),
      Entry<OSSL_FUNC_keymgmt_gettable_params_fn>(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS,
                                                  kind.gettable_params),
      Entry<OSSL_FUNC_keymgmt_query_operation_name_fn>(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME,
                                                       kind.operation_name),
      {0, nullptr},
  };
}

const std::array kEc = MakeDispatch({ImportEc, ImportTypesEc, GettableParamsEc, OperationNameEc});
const std::array kRsa =
    MakeDispatch({ImportRsa, ImportTypesRsa, GettableParamsRsa, OperationNameRsa});

}  // namespace

const OSSL_ALGORITHM kKeyManagement[] = {
    {kEcNames, kProviderProperty, kEc.data(), "EC keys in the TPM"},
    {kRsaNames, kProviderProperty, kRsa.data(), "RSA keys in the TPM"},
    {nullptr, nullptr, nullptr, nullptr},
};

}  // namespace seaworthy::tls
