#include "tpm/rc.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>

namespace seaworthy::tpm {
namespace {

constexpr TSS2_RC kFormatOne = 0x080;  // TPM 2.0 part 2, 6.6.2

struct Mapping {
  TSS2_RC rc;
  Code code;
  const char* reason;
};

constexpr Mapping kMappings[] = {
    {TPM2_RC_AUTH_FAIL, Code::kPermissionDenied, "TPM_AUTH_FAILED"},
    {TPM2_RC_BAD_AUTH, Code::kPermissionDenied, "TPM_AUTH_FAILED"},
    {TPM2_RC_AUTH_UNAVAILABLE, Code::kPermissionDenied, "TPM_AUTH_FAILED"},
    {TPM2_RC_POLICY_FAIL, Code::kPermissionDenied, "TPM_POLICY_FAILED"},
    {TPM2_RC_LOCKOUT, Code::kResourceExhausted, "TPM_LOCKOUT"},
    {TPM2_RC_OBJECT_MEMORY, Code::kResourceExhausted, "TPM_MEMORY"},
    {TPM2_RC_SESSION_MEMORY, Code::kResourceExhausted, "TPM_MEMORY"},
    {TPM2_RC_SESSION_HANDLES, Code::kResourceExhausted, "TPM_MEMORY"},
    {TPM2_RC_NV_SPACE, Code::kResourceExhausted, "TPM_NV_SPACE"},
    {TPM2_RC_PCR_CHANGED, Code::kAborted, "PCR_CHANGED"},
    {TPM2_RC_HANDLE, Code::kNotFound, "TPM_HANDLE_UNDEFINED"},
    {TPM2_RC_NV_DEFINED, Code::kAlreadyExists, "TPM_NV_DEFINED"},
    {TPM2_RC_VALUE, Code::kInvalidArgument, "TPM_VALUE"},
    {TPM2_RC_SIZE, Code::kInvalidArgument, "TPM_VALUE"},
    {TPM2_RC_SCHEME, Code::kInvalidArgument, "TPM_VALUE"},
    {TPM2_RC_HASH, Code::kInvalidArgument, "TPM_VALUE"},
};

}  // namespace

bool FromTpm(TSS2_RC rc) {
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

TSS2_RC BaseCode(TSS2_RC rc) {
  const TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;
  return (code & kFormatOne) != 0 ? code & 0x0bf : code;
}

bool MeansReset(TSS2_RC rc) {
  const TSS2_RC code = BaseCode(rc);
  return FromTpm(rc) && (code == TPM2_RC_INITIALIZE ||
                         (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_H6) ||
                         (code >= TPM2_RC_REFERENCE_S0 && code <= TPM2_RC_REFERENCE_S6));
}

Status FromTss(TSS2_RC rc, std::string_view what) {
  if (rc == TSS2_RC_SUCCESS) return {};
  const std::string message = std::string(what) + ": " + Tss2_RC_Decode(rc);
  if (MeansReset(rc)) return Fail(Code::kUnavailable, "TPM_RESET", message);
  if (FromTpm(rc)) {
    for (const Mapping& mapping : kMappings) {
      if (mapping.rc == BaseCode(rc)) return Fail(mapping.code, mapping.reason, message);
    }
    return Fail(Code::kInternal, "TPM_ERROR", message);
  }
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  const TSS2_RC base = rc & ~TSS2_RC_LAYER_MASK;
  if (base == TSS2_BASE_RC_RSP_AUTH_FAILED) {
    return Fail(Code::kInternal, "TPM_RESPONSE_FORGED",
                message + " (the response's HMAC is wrong: is something on the TPM's bus?)");
  }
  // ESYS and SYS hand on the TCTI's own errors with their layer on them.
  if (layer == TSS2_TCTI_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER ||
      base == TSS2_BASE_RC_IO_ERROR || base == TSS2_BASE_RC_NO_CONNECTION) {
    return Fail(Code::kUnavailable, "TPM_UNAVAILABLE", message);
  }
  return Fail(Code::kInternal, "TPM_STACK_ERROR", message);
}

bool IsAuthFailure(TSS2_RC rc) {
  return FromTpm(rc) && (BaseCode(rc) == TPM2_RC_AUTH_FAIL || BaseCode(rc) == TPM2_RC_BAD_AUTH);
}

Status OwnerAuthSet(std::string_view command) {
  return Fail(Code::kPermissionDenied, "OWNER_AUTH_SET",
              std::string(command) +
                  ": the TPM's owner hierarchy has an authorization value; an empty one is needed "
                  "(tpm2_changeauth -c owner -p OLD)");
}

}  // namespace seaworthy::tpm
