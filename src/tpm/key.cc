#include "seaworthy/tpm/key.h"

#include <openssl/ecdsa.h>

#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/quote.h"
#include "tpm/key_template.h"
#include "tpm/marshal.h"
#include "tpm/selection.h"
#include "tpm/session.h"

namespace seaworthy::tpm {
namespace {

Result<PcrPolicy> PolicyOverPresentValues(Context& context, const PcrSelection& selection) {
  ASSIGN_OR_RETURN(const std::vector<PcrValue> values, ReadPcrs(context, {selection}));
  return PcrPolicy{selection, PcrDigest(values)};
}

Status NotSupported(KeyAlgorithm algorithm) {
  return Fail(Code::kUnimplemented, "ALGORITHM_NOT_SUPPORTED",
              "this TPM does not make " + std::string(ToString(algorithm)) + " keys");
}

Result<TPMT_SIG_SCHEME> TssScheme(const TPMT_PUBLIC& area, SignatureScheme scheme,
                                  HashAlgorithm hash) {
  if ((scheme == SignatureScheme::kEcdsa) != (area.type == TPM2_ALG_ECC)) {
    return Fail(Code::kInvalidArgument, "SCHEME_MISMATCH",
                area.type == TPM2_ALG_ECC ? "scheme: an EC key signs with ECDSA only"
                                          : "scheme: an RSA key signs with RSASSA or RSAPSS only");
  }
  TPMT_SIG_SCHEME result = {};
  switch (scheme) {
    case SignatureScheme::kEcdsa:
      result.scheme = TPM2_ALG_ECDSA;
      break;
    case SignatureScheme::kRsaPkcs1:
      result.scheme = TPM2_ALG_RSASSA;
      break;
    case SignatureScheme::kRsaPss:
      result.scheme = TPM2_ALG_RSAPSS;
      break;
  }
  result.details.any.hashAlg = static_cast<TPMI_ALG_HASH>(hash);
  return result;
}

Result<Bytes> SignatureBytes(const TPMT_SIGNATURE& signature) {
  if (signature.sigAlg != TPM2_ALG_ECDSA) {
    const TPM2B_PUBLIC_KEY_RSA& rsa = signature.signature.rsassa.sig;
    return Bytes(rsa.buffer, rsa.buffer + rsa.size);
  }
  const TPMS_SIGNATURE_ECDSA& ecdsa = signature.signature.ecdsa;
  const CPtr<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(ecdsa.signatureR.buffer, ecdsa.signatureR.size, nullptr);
  BIGNUM* s = BN_bin2bn(ecdsa.signatureS.buffer, ecdsa.signatureS.size, nullptr);
  unsigned char* der = nullptr;
  int size = -1;
  if (pair != nullptr && ECDSA_SIG_set0(pair.get(), r, s) == 1) {
    size = i2d_ECDSA_SIG(pair.get(), &der);
  } else {
    BN_free(r);
    BN_free(s);
  }
  if (size <= 0) return Fail(Code::kInternal, "OPENSSL", "encode the ECDSA signature");
  Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

}  // namespace

Result<WrappedKey> CreateKey(Context& context, const KeyTemplate& key_template) {
  WrappedKey key;
  if (key_template.policy.has_value()) {
    ASSIGN_OR_RETURN(key.policy, PolicyOverPresentValues(context, *key_template.policy));
  }
  const TPM2B_PUBLIC wanted = MakeTemplate(key_template, key.policy);
  ASSIGN_OR_RETURN(const bool supported, Supports(context, wanted));
  if (!supported) return NotSupported(key_template.algorithm);

  ASSIGN_OR_RETURN(const Handle session, StartEncryptedSession(context));
  const TPM2B_SENSITIVE_CREATE sensitive = {};
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION creation = {};
  TPM2B_PRIVATE* private_area = nullptr;
  TPM2B_PUBLIC* public_area = nullptr;
  RETURN_IF_ERROR(
      context.Check(Esys_Create(context.esys(), context.srk(), session.get(), ESYS_TR_NONE,
                                ESYS_TR_NONE, &sensitive, &wanted, &outside, &creation,
                                &private_area, &public_area, nullptr, nullptr, nullptr),
                    "TPM2_Create"));
  const EsysPtr<TPM2B_PRIVATE> private_owner(private_area);
  const EsysPtr<TPM2B_PUBLIC> public_owner(public_area);
  key.public_area = Marshal<Tss2_MU_TPM2B_PUBLIC_Marshal>(*public_area);
  key.private_area = Marshal<Tss2_MU_TPM2B_PRIVATE_Marshal>(*private_area);
  return key;
}

Result<Bytes> Sign(Context& context, const WrappedKey& key, SignatureScheme scheme,
                   HashAlgorithm hash, ByteView digest) {
  ASSIGN_OR_RETURN(const TPM2B_PUBLIC public_area, ParsePublic(key.public_area));
  ASSIGN_OR_RETURN(const TPMT_SIG_SCHEME tss_scheme,
                   TssScheme(public_area.publicArea, scheme, hash));
  if (digest.size() != DigestSize(hash)) {
    return Fail(Code::kInvalidArgument, "DIGEST_SIZE",
                "digest: has " + std::to_string(digest.size()) + " bytes, a " +
                    std::string(ToString(hash)) + " digest has " +
                    std::to_string(DigestSize(hash)));
  }
  ASSIGN_OR_RETURN(const ESYS_TR loaded, context.LoadKept(key));
  std::optional<Handle> policy_session;
  ESYS_TR authorization = ESYS_TR_PASSWORD;  // the auth value is empty: nothing to protect
  if (key.policy.has_value()) {
    ASSIGN_OR_RETURN(Handle session, StartPcrPolicySession(context, *key.policy));
    policy_session.emplace(std::move(session));
    authorization = policy_session->get();
  }
  const auto tss_digest = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(digest);
  TPMT_TK_HASHCHECK validation = {};  // not made by the TPM; only restricted keys ask for that
  validation.tag = TPM2_ST_HASHCHECK;
  validation.hierarchy = TPM2_RH_NULL;
  TPMT_SIGNATURE* signature = nullptr;
  RETURN_IF_ERROR(
      context.Check(Esys_Sign(context.esys(), loaded, authorization, ESYS_TR_NONE, ESYS_TR_NONE,
                              &tss_digest, &tss_scheme, &validation, &signature),
                    "TPM2_Sign"));
  const EsysPtr<TPMT_SIGNATURE> owner(signature);
  return SignatureBytes(*signature);
}

Result<Attestation> Certify(Context& context, const WrappedKey& ak, const WrappedKey& key,
                            ByteView nonce) {
  ASSIGN_OR_RETURN(const ESYS_TR loaded_ak, context.LoadKept(ak));
  ASSIGN_OR_RETURN(const Handle loaded_key, context.Load(key));
  const auto qualifying = ToTpm2b<TPM2B_DATA, &TPM2B_DATA::buffer>(nonce);
  TPMT_SIG_SCHEME scheme = {};  // the key's own
  scheme.scheme = TPM2_ALG_NULL;
  TPM2B_ATTEST* attested = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  RETURN_IF_ERROR(context.Check(
      Esys_Certify(context.esys(), loaded_key.get(), loaded_ak, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD,
                   ESYS_TR_NONE, &qualifying, &scheme, &attested, &signature),
      "TPM2_Certify"));
  const EsysPtr<TPM2B_ATTEST> attested_owner(attested);
  const EsysPtr<TPMT_SIGNATURE> signature_owner(signature);
  return Attestation{Bytes(attested->attestationData, attested->attestationData + attested->size),
                     Marshal<Tss2_MU_TPMT_SIGNATURE_Marshal>(*signature)};
}

}  // namespace seaworthy::tpm
