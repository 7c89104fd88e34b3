// tss2's return codes as Status: the one place where they are mapped.
#pragma once

#include <tss2/tss2_common.h>

#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::tpm {

// `what` names the command. Codes as docs/ARCHITECTURE.md lists them.
Status FromTss(TSS2_RC rc, std::string_view what);

// The TPM itself answered (possibly through a resource manager); other layers' codes leave
// an ESYS context unusable.
bool FromTpm(TSS2_RC rc);

// A TPM response code without its parameter, handle or session number, and without the resource
// manager's layer: comparable with TPM2_RC_*.
TSS2_RC BaseCode(TSS2_RC rc);

// The TPM has forgotten what this connection had in it: it was reset or restarted.
bool MeansReset(TSS2_RC rc);

// The TPM refused an authorization value.
bool IsAuthFailure(TSS2_RC rc);

// PERMISSION_DENIED (OWNER_AUTH_SET): what `command` met where only an empty value will do.
Status OwnerAuthSet(std::string_view command);

}  // namespace seaworthy::tpm
