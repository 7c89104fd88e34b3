#include "tpm/context.h"

#include "seaworthy/status_macros.h"
#include "tpm/marshal.h"

namespace seaworthy::tpm {

Handle::~Handle() {
  // After a transport error the TPM, or the resource manager, drops what the connection had.
  if (handle_ == ESYS_TR_NONE || context_->broken()) return;
  (void)context_->Check(Esys_FlushContext(context_->esys(), handle_), "TPM2_FlushContext");
}

Result<std::unique_ptr<Context>> Context::Open(const std::string& tcti, Deadline deadline) {
  std::unique_ptr<Context> context(new Context);
  ASSIGN_OR_RETURN(context->tcti_, DeadlineTcti::Open(tcti));
  context->set_deadline(deadline);
  RETURN_IF_ERROR(context->Check(Esys_Initialize(&context->esys_, context->tcti_->get(), nullptr),
                                 "open ESYS context"));
  // The kernel and tabrmd have done this; a bare TPM needs it after power on.
  const TSS2_RC rc = Esys_Startup(context->esys_, TPM2_SU_CLEAR);
  if (rc != TPM2_RC_INITIALIZE) RETURN_IF_ERROR(context->Check(rc, "TPM2_Startup"));
  RETURN_IF_ERROR(context->FlushLeftovers());
  return context;
}

Status Context::FlushLeftovers() {
  TPMI_YES_NO more = TPM2_NO;
  TPMS_CAPABILITY_DATA* data = nullptr;
  RETURN_IF_ERROR(
      Check(Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
                               TPM2_TRANSIENT_FIRST, TPM2_MAX_CAP_HANDLES, &more, &data),
            "TPM2_GetCapability"));
  const EsysPtr<TPMS_CAPABILITY_DATA> owner(data);
  const TPML_HANDLE& handles = data->data.handles;
  for (std::uint32_t i = 0; i < handles.count; ++i) {
    ESYS_TR handle = ESYS_TR_NONE;
    RETURN_IF_ERROR(Check(Esys_TR_FromTPMPublic(esys_, handles.handle[i], ESYS_TR_NONE,
                                                ESYS_TR_NONE, ESYS_TR_NONE, &handle),
                          "TPM2_ReadPublic"));
    const Handle leftover(*this, handle);
  }
  return {};
}

Context::~Context() {
  FlushKept();
  if (esys_ != nullptr) Esys_Finalize(&esys_);
}

Status Context::Check(TSS2_RC rc, std::string_view command) {
  if (rc == TSS2_RC_SUCCESS) return {};
  if (!FromTpm(rc) || MeansReset(rc)) broken_ = true;
  if (tcti_->timed_out()) {
    return Fail(Code::kDeadlineExceeded, "TPM_TIMEOUT",
                std::string(command) + ": the TPM did not answer in time");
  }
  return FromTss(rc, command);
}

Result<Handle> Context::Load(const WrappedKey& key) {
  ASSIGN_OR_RETURN(const TPM2B_PUBLIC public_area, ParsePublic(key.public_area));
  ASSIGN_OR_RETURN(const TPM2B_PRIVATE private_area, ParsePrivate(key.private_area));
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC rc = Esys_Load(esys_, srk_, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                               &private_area, &public_area, &handle);
  if (FromTpm(rc) && BaseCode(rc) == TPM2_RC_INTEGRITY) {
    return Fail(Code::kFailedPrecondition, "KEY_NOT_OF_THIS_TPM",
                "TPM2_Load: the key was not made under this TPM's storage root key, or its file "
                "was changed");
  }
  RETURN_IF_ERROR(Check(rc, "TPM2_Load"));
  return Handle(*this, handle);
}

Result<ESYS_TR> Context::LoadKept(const WrappedKey& key) {
  if (kept_.has_value() && kept_->private_area == key.private_area) return kept_->handle;
  FlushKept();
  ASSIGN_OR_RETURN(Handle loaded, Load(key));
  kept_ = Kept{key.private_area, loaded.Release()};
  return kept_->handle;
}

void Context::FlushKept() {
  if (kept_.has_value()) Handle(*this, kept_->handle);
  kept_.reset();
}

}  // namespace seaworthy::tpm
