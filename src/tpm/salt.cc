#include "tpm/salt.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

#include <algorithm>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"
#include "tpm/kdf.h"
#include "tpm/public_key.h"

namespace seaworthy::tpm {
namespace {

using KeyContext = CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

constexpr std::string_view kLabel = "SECRET";
// A provider that signs in the TPM may be loaded, too: it must not come to be asked here.
constexpr char kProvider[] = "provider=default";
constexpr std::size_t kP256 = 32;

Status Failed(std::string_view what) {
  return Fail(Code::kInternal, "OPENSSL", std::string(what) + " failed");
}

Result<TPMS_ECC_POINT> PointOf(const EVP_PKEY* key) {
  std::array<std::uint8_t, 1 + 2 * kP256> point{};  // uncompressed, SEC 1 2.3.3
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point.data(),
                                      point.size(), &size) != 1 ||
      size != point.size()) {
    return Failed("reading a point");
  }
  TPMS_ECC_POINT result = {};
  result.x.size = result.y.size = kP256;
  std::copy_n(point.begin() + 1, kP256, result.x.buffer);
  std::copy_n(point.begin() + 1 + kP256, kP256, result.y.buffer);
  return result;
}

Result<Salt> AgreeOnSalt(const TPMT_PUBLIC& area, EVP_PKEY* theirs) {
  const CPtr<EVP_PKEY, EVP_PKEY_free> ours(
      EVP_PKEY_Q_keygen(nullptr, kProvider, "EC", "prime256v1"));
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, ours.get(), kProvider));
  SecretBytes z(kP256);
  std::size_t size = z.size();
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), theirs) != 1 ||
      EVP_PKEY_derive(context.get(), z.data(), &size) != 1 || size != z.size()) {
    return Failed("ECDH");
  }
  ASSIGN_OR_RETURN(const TPMS_ECC_POINT point, PointOf(ours.get()));
  const TPM2B_ECC_PARAMETER& x = area.unique.ecc.x;
  Salt salt;
  ASSIGN_OR_RETURN(salt.value, KdfE(z.view(), kLabel, {point.x.buffer, point.x.size},
                                    {x.buffer, std::min<std::size_t>(x.size, sizeof(x.buffer))}));
  size = 0;
  if (Tss2_MU_TPMS_ECC_POINT_Marshal(&point, salt.encrypted.secret, sizeof(salt.encrypted.secret),
                                     &size) != TSS2_RC_SUCCESS) {
    return Failed("marshalling a point");
  }
  salt.encrypted.size = static_cast<UINT16>(size);
  return salt;
}

Result<Salt> EncryptSalt(EVP_PKEY* theirs) {
  Salt salt;
  salt.value = SecretBytes(kSha256Size);
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, theirs, kProvider));
  // With the zero that ends it.
  void* label = OPENSSL_memdup(kLabel.data(), kLabel.size() + 1);
  std::size_t size = sizeof(salt.encrypted.secret);
  bool ok = RAND_priv_bytes(salt.value.data(), static_cast<int>(salt.value.size())) == 1 &&
            label != nullptr && context && EVP_PKEY_encrypt_init(context.get()) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) == 1;
  if (!ok || EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), label,
                                              static_cast<int>(kLabel.size() + 1)) != 1) {
    OPENSSL_free(label);
    return Failed("RSA-OAEP");
  }
  if (EVP_PKEY_encrypt(context.get(), salt.encrypted.secret, &size, salt.value.data(),
                       salt.value.size()) != 1) {
    return Failed("RSA-OAEP");
  }
  salt.encrypted.size = static_cast<UINT16>(size);
  return salt;
}

}  // namespace

Result<Salt> MakeSalt(const TPMT_PUBLIC& key) {
  ASSIGN_OR_RETURN(const OpensslKey theirs, ToOpenssl(key));
  if (key.type == TPM2_ALG_ECC) return AgreeOnSalt(key, theirs.get());
  return EncryptSalt(theirs.get());
}

}  // namespace seaworthy::tpm
