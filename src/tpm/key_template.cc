#include "tpm/key_template.h"

#include "seaworthy/status_macros.h"
#include "tpm/marshal.h"

namespace seaworthy::tpm {
namespace {

bool IsEc(KeyAlgorithm algorithm) {
  return algorithm == KeyAlgorithm::kEcP256 || algorithm == KeyAlgorithm::kEcP384;
}

}  // namespace

TPM2B_PUBLIC MakeTemplate(const KeyTemplate& wanted, const std::optional<PcrPolicy>& policy) {
  TPM2B_PUBLIC key = {};
  TPMT_PUBLIC& area = key.publicArea;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_SIGN_ENCRYPT;
  // Nobody can guess an empty auth value. Without noDA each power cut while a key is in use
  // counts as a failed try (part 1, 19.8.6), and after a few the TPM locks itself.
  area.objectAttributes |= TPMA_OBJECT_NODA;
  if (wanted.restricted) area.objectAttributes |= TPMA_OBJECT_RESTRICTED;
  // With a policy only the policy gives use; the empty auth value must not.
  if (policy.has_value()) {
    area.authPolicy = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(PcrPolicyDigest(*policy));
  } else {
    area.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
  }
  if (IsEc(wanted.algorithm)) {
    area.type = TPM2_ALG_ECC;
    TPMS_ECC_PARMS& parameters = area.parameters.eccDetail;
    parameters.symmetric.algorithm = TPM2_ALG_NULL;
    parameters.scheme.scheme = wanted.restricted ? TPM2_ALG_ECDSA : TPM2_ALG_NULL;
    parameters.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
    parameters.curveID =
        wanted.algorithm == KeyAlgorithm::kEcP256 ? TPM2_ECC_NIST_P256 : TPM2_ECC_NIST_P384;
    parameters.kdf.scheme = TPM2_ALG_NULL;
  } else {
    area.type = TPM2_ALG_RSA;
    TPMS_RSA_PARMS& parameters = area.parameters.rsaDetail;
    parameters.symmetric.algorithm = TPM2_ALG_NULL;
    parameters.scheme.scheme = wanted.restricted ? TPM2_ALG_RSASSA : TPM2_ALG_NULL;
    parameters.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
    parameters.keyBits = wanted.algorithm == KeyAlgorithm::kRsa2048 ? 2048 : 3072;
  }
  return key;
}

Result<bool> Supports(Context& context, const TPM2B_PUBLIC& wanted) {
  TPMT_PUBLIC_PARMS parameters = {};
  parameters.type = wanted.publicArea.type;
  parameters.parameters = wanted.publicArea.parameters;
  const TSS2_RC rc =
      Esys_TestParms(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &parameters);
  if (rc != TSS2_RC_SUCCESS && FromTpm(rc) && !MeansReset(rc)) return false;
  RETURN_IF_ERROR(context.Check(rc, "TPM2_TestParms"));
  return true;
}

}  // namespace seaworthy::tpm
