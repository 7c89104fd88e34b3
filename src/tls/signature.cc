// SIGNATURE for ECDSA and RSA (PKCS #1 v1.5 and PSS): the digest is made here, the TPM signs it.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tls/provider.h"

namespace seaworthy::tls {
namespace {

using EvpMdPtr = CPtr<EVP_MD, EVP_MD_free>;
using EvpMdCtxPtr = CPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using EvpPkeyCtxPtr = CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using X509AlgorPtr = CPtr<X509_ALGOR, X509_ALGOR_free>;

struct HashNames {
  tpm::HashAlgorithm hash;
  const char* name;
  int ecdsa_nid;
  int rsa_nid;
};
constexpr std::array kHashes = {
    HashNames{tpm::HashAlgorithm::kSha256, "SHA2-256", NID_ecdsa_with_SHA256,
              NID_sha256WithRSAEncryption},
    HashNames{tpm::HashAlgorithm::kSha384, "SHA2-384", NID_ecdsa_with_SHA384,
              NID_sha384WithRSAEncryption},
    HashNames{tpm::HashAlgorithm::kSha512, "SHA2-512", NID_ecdsa_with_SHA512,
              NID_sha512WithRSAEncryption},
    HashNames{tpm::HashAlgorithm::kSha1, "SHA1", NID_ecdsa_with_SHA1, NID_sha1WithRSAEncryption},
};

// One signature in the making; "ctx" of OpenSSL's functions.
struct Signing {
  ProviderKey* key = nullptr;
  const HashNames* hash = nullptr;
  tpm::SignatureScheme scheme = tpm::SignatureScheme::kEcdsa;
  EvpMdPtr md;
  EvpMdCtxPtr digest;

  ~Signing() {
    if (key != nullptr) key->Release();
  }
  bool rsa() const { return scheme != tpm::SignatureScheme::kEcdsa; }
  std::size_t max_size() const {
    return static_cast<std::size_t>(EVP_PKEY_get_size(key->public_key.get()));
  }
};

Signing* AsSigning(void* context) { return static_cast<Signing*>(context); }

int Raise(const char* message) {
  ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "%s", message);
  return 0;
}

int SetHash(Signing& signing, const char* name) {
  EvpMdPtr md(EVP_MD_fetch(nullptr, name, nullptr));
  if (md == nullptr) return 0;
  for (const HashNames& hash : kHashes) {
    if (EVP_MD_is_a(md.get(), hash.name) == 1) {
      signing.hash = &hash;
      signing.md = std::move(md);
      return 1;
    }
  }
  return Raise("the TPM signs SHA-1, SHA-256, SHA-384 and SHA-512 digests only");
}

void* NewContext(void*, const char*) { return new Signing; }

void FreeContext(void* context) { delete AsSigning(context); }

void* Duplicate(void* context) {
  const Signing& from = *AsSigning(context);
  auto copy = std::make_unique<Signing>();
  copy->hash = from.hash;
  copy->scheme = from.scheme;
  copy->key = from.key;
  if (copy->key != nullptr) copy->key->Retain();
  if (from.md != nullptr && EVP_MD_up_ref(from.md.get()) == 1) copy->md.reset(from.md.get());
  if (from.digest != nullptr) {
    copy->digest.reset(EVP_MD_CTX_new());
    if (copy->digest == nullptr || EVP_MD_CTX_copy_ex(copy->digest.get(), from.digest.get()) != 1) {
      return nullptr;
    }
  }
  return copy.release();
}

// OpenSSL writes "pss" or the number of the mode.
int SetPadding(Signing& signing, const OSSL_PARAM& param) {
  int mode = 0;
  const char* text = nullptr;
  if (param.data_type == OSSL_PARAM_UTF8_STRING) {
    if (OSSL_PARAM_get_utf8_string_ptr(&param, &text) != 1) return 0;
    const std::string_view name = text;
    if (name == OSSL_PKEY_RSA_PAD_MODE_PSS) mode = RSA_PKCS1_PSS_PADDING;
    if (name == OSSL_PKEY_RSA_PAD_MODE_PKCSV15) mode = RSA_PKCS1_PADDING;
  } else if (OSSL_PARAM_get_int(&param, &mode) != 1) {
    return 0;
  }
  if (mode == RSA_PKCS1_PSS_PADDING) {
    signing.scheme = tpm::SignatureScheme::kRsaPss;
  } else if (mode == RSA_PKCS1_PADDING) {
    signing.scheme = tpm::SignatureScheme::kRsaPkcs1;
  } else {
    return Raise("RSA keys in the TPM sign with PKCS #1 v1.5 and PSS padding only");
  }
  return 1;
}

// The TPM chooses the salt; what it chooses is as long as the digest (CheckPss below).
int CheckSaltLength(const Signing& signing, const OSSL_PARAM& param) {
  int length = 0;
  const char* text = nullptr;
  if (param.data_type == OSSL_PARAM_UTF8_STRING) {
    if (OSSL_PARAM_get_utf8_string_ptr(&param, &text) != 1) return 0;
    const std::string_view name = text;
    if (name == OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST || name == OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) {
      return 1;
    }
    length = std::atoi(text);
  } else if (OSSL_PARAM_get_int(&param, &length) != 1) {
    return 0;
  }
  const bool fits = length == RSA_PSS_SALTLEN_DIGEST || length == RSA_PSS_SALTLEN_AUTO ||
                    (signing.md != nullptr && length == EVP_MD_get_size(signing.md.get()));
  return fits ? 1 : Raise("the PSS salt of a TPM key is as long as the digest");
}

int CheckMgf1(const Signing& signing, const OSSL_PARAM& param) {
  const char* name = nullptr;
  if (OSSL_PARAM_get_utf8_string_ptr(&param, &name) != 1) return 0;
  const bool same = signing.md != nullptr && EVP_MD_is_a(signing.md.get(), name) == 1;
  return same ? 1 : Raise("MGF1 of a TPM key uses the digest that is signed");
}

int SetParams(void* context, const OSSL_PARAM params[]) {
  if (params == nullptr) return 1;
  Signing& signing = *AsSigning(context);
  if (const OSSL_PARAM* digest = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST)) {
    const char* name = nullptr;
    if (OSSL_PARAM_get_utf8_string_ptr(digest, &name) != 1 || SetHash(signing, name) != 1) return 0;
  }
  if (!signing.rsa()) return 1;
  if (const OSSL_PARAM* mode = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)) {
    if (SetPadding(signing, *mode) != 1) return 0;
  }
  if (const OSSL_PARAM* salt = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN)) {
    if (CheckSaltLength(signing, *salt) != 1) return 0;
  }
  if (const OSSL_PARAM* mgf1 = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST)) {
    if (CheckMgf1(signing, *mgf1) != 1) return 0;
  }
  return 1;
}

const OSSL_PARAM* SettableParams(void*, void*) {
  static const OSSL_PARAM params[] = {
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_END,
  };
  return params;
}

X509AlgorPtr MakeAlgorithm(int nid, int parameter_type, void* parameter) {
  X509AlgorPtr algorithm(X509_ALGOR_new());
  if (algorithm == nullptr ||
      X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(nid), parameter_type, parameter) != 1) {
    return nullptr;
  }
  return algorithm;
}

// RFC 4055, 3.1: hash, MGF1 with the same hash, salt as long as the hash.
X509AlgorPtr PssAlgorithm(const EVP_MD* md) {
  CPtr<RSA_PSS_PARAMS, RSA_PSS_PARAMS_free> pss(RSA_PSS_PARAMS_new());
  if (pss == nullptr) return nullptr;
  pss->hashAlgorithm = X509_ALGOR_new();
  if (pss->hashAlgorithm == nullptr) return nullptr;
  X509_ALGOR_set_md(pss->hashAlgorithm, md);
  ASN1_STRING* hash = nullptr;
  if (ASN1_item_pack(pss->hashAlgorithm, ASN1_ITEM_rptr(X509_ALGOR), &hash) == nullptr) {
    return nullptr;
  }
  pss->maskGenAlgorithm = MakeAlgorithm(NID_mgf1, V_ASN1_SEQUENCE, hash).release();
  pss->saltLength = ASN1_INTEGER_new();
  if (pss->maskGenAlgorithm == nullptr || pss->saltLength == nullptr ||
      ASN1_INTEGER_set(pss->saltLength, EVP_MD_get_size(md)) != 1) {
    return nullptr;
  }
  ASN1_STRING* packed = nullptr;
  if (ASN1_item_pack(pss.get(), ASN1_ITEM_rptr(RSA_PSS_PARAMS), &packed) == nullptr) return nullptr;
  return MakeAlgorithm(NID_rsassaPss, V_ASN1_SEQUENCE, packed);
}

X509AlgorPtr AlgorithmOf(const Signing& signing) {
  switch (signing.scheme) {
    case tpm::SignatureScheme::kEcdsa:
      return MakeAlgorithm(signing.hash->ecdsa_nid, V_ASN1_UNDEF, nullptr);
    case tpm::SignatureScheme::kRsaPkcs1:
      return MakeAlgorithm(signing.hash->rsa_nid, V_ASN1_NULL, nullptr);
    case tpm::SignatureScheme::kRsaPss:
      return PssAlgorithm(signing.md.get());
  }
  return nullptr;
}

// X509_sign and X509_REQ_sign write this AlgorithmIdentifier into what they sign.
int GetAlgorithmId(const Signing& signing, OSSL_PARAM* param) {
  if (signing.hash == nullptr) return Raise("no digest is set");
  const X509AlgorPtr algorithm = AlgorithmOf(signing);
  unsigned char* der = nullptr;
  const int size = algorithm != nullptr ? i2d_X509_ALGOR(algorithm.get(), &der) : -1;
  if (size <= 0) return 0;
  const int set = OSSL_PARAM_set_octet_string(param, der, static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return set;
}

int GetParams(void* context, OSSL_PARAM params[]) {
  const Signing& signing = *AsSigning(context);
  if (OSSL_PARAM* id = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID)) {
    if (GetAlgorithmId(signing, id) != 1) return 0;
  }
  if (OSSL_PARAM* digest = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST)) {
    const char* name = signing.hash != nullptr ? signing.hash->name : "";
    if (OSSL_PARAM_set_utf8_string(digest, name) != 1) return 0;
  }
  if (OSSL_PARAM* mode = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PAD_MODE)) {
    const bool pss = signing.scheme == tpm::SignatureScheme::kRsaPss;
    const char* name = pss ? OSSL_PKEY_RSA_PAD_MODE_PSS : OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
    const int set = mode->data_type == OSSL_PARAM_UTF8_STRING
                        ? OSSL_PARAM_set_utf8_string(mode, name)
                        : OSSL_PARAM_set_int(mode, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
    if (set != 1) return 0;
  }
  return 1;
}

const OSSL_PARAM* GettableParams(void*, void*) {
  static const OSSL_PARAM params[] = {
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, OSSL_PARAM_OCTET_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, nullptr, 0),
      OSSL_PARAM_END,
  };
  return params;
}

// `key` is null when a context is used again with the key that it has.
int SignInit(void* context, void* key, const OSSL_PARAM params[]) {
  Signing& signing = *AsSigning(context);
  if (key != nullptr) {
    auto* const given = static_cast<ProviderKey*>(key);
    if (!given->wrapped.has_value()) return Raise("the key has no private half");
    given->Retain();
    if (signing.key != nullptr) signing.key->Release();
    signing.key = given;
    signing.scheme = EVP_PKEY_is_a(given->public_key.get(), "EC") == 1
                         ? tpm::SignatureScheme::kEcdsa
                         : tpm::SignatureScheme::kRsaPkcs1;
  }
  return signing.key != nullptr ? SetParams(context, params) : Raise("no key is set");
}

int DigestSignInit(void* context, const char* digest_name, void* key, const OSSL_PARAM params[]) {
  Signing& signing = *AsSigning(context);
  const char* const name =
      digest_name != nullptr && *digest_name != '\0' ? digest_name : "SHA2-256";
  if (SetHash(signing, name) != 1 || SignInit(context, key, params) != 1) return 0;
  signing.digest.reset(EVP_MD_CTX_new());
  return signing.digest != nullptr
             ? EVP_DigestInit_ex2(signing.digest.get(), signing.md.get(), nullptr)
             : 0;
}

// Some TPMs salt PSS with as much as fits and not with the digest's length, which no TLS peer
// accepts (RFC 8446, 4.2.3). Better found here than guessed at from a peer's alert.
bool CheckPss(const Signing& signing, ByteView digest, ByteView signature) {
  const EvpPkeyCtxPtr context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, signing.key->public_key.get(), "provider=default"));
  return context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), signing.md.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

// With a null `signature` the answer is the size that may be needed.
int Sign(void* context, unsigned char* signature, std::size_t* size, std::size_t capacity,
         const unsigned char* digest, std::size_t digest_size) {
  const Signing& signing = *AsSigning(context);
  if (signing.key == nullptr) return Raise("no key is set");
  if (signature == nullptr) {
    *size = signing.max_size();
    return 1;
  }
  if (signing.hash == nullptr) return Raise("no digest is set");
  const ByteView view(digest, digest_size);
  const auto made = SignWithTpm(*signing.key->wrapped, signing.scheme, signing.hash->hash, view);
  if (!made.ok()) {
    RaiseStatus(made.status());
    return 0;
  }
  if (signing.scheme == tpm::SignatureScheme::kRsaPss && !CheckPss(signing, view, *made)) {
    return Raise(
        "the TPM's PSS signature has a salt that is not as long as the digest; use an EC "
        "key for TLS");
  }
  if (made->size() > capacity) return Raise("the buffer for the signature is too small");
  std::ranges::copy(*made, signature);
  *size = made->size();
  return 1;
}

int DigestSignUpdate(void* context, const unsigned char* data, std::size_t size) {
  return EVP_DigestUpdate(AsSigning(context)->digest.get(), data, size);
}

int DigestSignFinal(void* context, unsigned char* signature, std::size_t* size,
                    std::size_t capacity) {
  if (signature == nullptr) return Sign(context, nullptr, size, capacity, nullptr, 0);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_size = 0;
  if (EVP_DigestFinal_ex(AsSigning(context)->digest.get(), digest, &digest_size) != 1) return 0;
  return Sign(context, signature, size, capacity, digest, digest_size);
}

int DigestSign(void* context, unsigned char* signature, std::size_t* size, std::size_t capacity,
               const unsigned char* data, std::size_t data_size) {
  if (signature != nullptr && DigestSignUpdate(context, data, data_size) != 1) return 0;
  return DigestSignFinal(context, signature, size, capacity);
}

const OSSL_DISPATCH kDispatch[] = {
    Entry<OSSL_FUNC_signature_newctx_fn>(OSSL_FUNC_SIGNATURE_NEWCTX, NewContext),
    Entry<OSSL_FUNC_signature_freectx_fn>(OSSL_FUNC_SIGNATURE_FREECTX, FreeContext),
    Entry<OSSL_FUNC_signature_dupctx_fn>(OSSL_FUNC_SIGNATURE_DUPCTX, Duplicate),
    Entry<OSSL_FUNC_signature_sign_init_fn>(OSSL_FUNC_SIGNATURE_SIGN_INIT, SignInit),
    Entry<OSSL_FUNC_signature_sign_fn>(OSSL_FUNC_SIGNATURE_SIGN, Sign),
    Entry<OSSL_FUNC_signature_digest_sign_init_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT,
                                                   DigestSignInit),
    Entry<OSSL_FUNC_signature_digest_sign_update_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE,
                                                     DigestSignUpdate),
    Entry<OSSL_FUNC_signature_digest_sign_final_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL,
                                                    DigestSignFinal),
    Entry<OSSL_FUNC_signature_digest_sign_fn>(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, DigestSign),
    Entry<OSSL_FUNC_signature_get_ctx_params_fn>(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, GetParams),
    Entry<OSSL_FUNC_signature_gettable_ctx_params_fn>(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS,
                                                      GettableParams),
    Entry<OSSL_FUNC_signature_set_ctx_params_fn>(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, SetParams),
    Entry<OSSL_FUNC_signature_settable_ctx_params_fn>(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS,
                                                      SettableParams),
    {0, nullptr},
};

}  // namespace

const OSSL_ALGORITHM kSignature[] = {
    {"ECDSA", kProviderProperty, kDispatch, "ECDSA in the TPM"},
    {kRsaNames, kProviderProperty, kDispatch, "RSA PKCS #1 v1.5 and PSS in the TPM"},
    {nullptr, nullptr, nullptr, nullptr},
};

}  // namespace seaworthy::tls
