#include "tpm/session.h"

#include "seaworthy/status_macros.h"
#include "tpm/marshal.h"
#include "tpm/selection.h"

namespace seaworthy::tpm {

Result<Handle> StartEncryptedSession(Context& context) {
  TPMT_SYM_DEF symmetric = {};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  ESYS_TR handle = ESYS_TR_NONE;
  RETURN_IF_ERROR(
      context.Check(Esys_StartAuthSession(context.esys(), context.srk(), ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, ESYS_TR_NONE, nullptr, TPM2_SE_HMAC,
                                          &symmetric, TPM2_ALG_SHA256, &handle),
                    "TPM2_StartAuthSession"));
  Handle session(context, handle);
  constexpr TPMA_SESSION kAttributes =
      TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
  RETURN_IF_ERROR(
      context.Check(Esys_TRSess_SetAttributes(context.esys(), handle, kAttributes, 0xff),
                    "set session attributes"));
  return session;
}

Status AddPcrPolicy(Context& context, ESYS_TR session, const PcrPolicy& policy) {
  const TPML_PCR_SELECTION selection = ToTss({policy.selection});
  const auto digest = ToTpm2b<TPM2B_DIGEST, &TPM2B_DIGEST::buffer>(policy.pcr_digest);
  const TSS2_RC rc = Esys_PolicyPCR(context.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &digest, &selection);
  if (FromTpm(rc) && BaseCode(rc) == TPM2_RC_VALUE) {
    return Fail(Code::kFailedPrecondition, "PCR_POLICY_UNMET",
                "the policy asks for other values of PCRs " + ToString(policy.selection) +
                    " than they have now");
  }
  return context.Check(rc, "TPM2_PolicyPCR");
}

Result<Handle> StartPcrPolicySession(Context& context, const PcrPolicy& policy) {
  TPMT_SYM_DEF symmetric = {};
  symmetric.algorithm = TPM2_ALG_NULL;
  ESYS_TR handle = ESYS_TR_NONE;
  RETURN_IF_ERROR(
      context.Check(Esys_StartAuthSession(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, ESYS_TR_NONE, nullptr, TPM2_SE_POLICY,
                                          &symmetric, TPM2_ALG_SHA256, &handle),
                    "TPM2_StartAuthSession"));
  Handle session(context, handle);
  RETURN_IF_ERROR(AddPcrPolicy(context, handle, policy));
  return session;
}

}  // namespace seaworthy::tpm
