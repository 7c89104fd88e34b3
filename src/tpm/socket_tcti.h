// The TCTI for a software TPM's socket: "swtpm:path=/run/swtpm/socket" or
// "swtpm:host=127.0.0.1,port=2321", as tss2 writes it. Ours and not tss2's, because tss2's waits
// for ever, can't be polled, and connects anew for each command: it would not notice that the
// TPM was restarted between two commands and that the handles it gave mean something else now.
#pragma once

#include <tss2/tss2_tcti.h>

#include <string>

#include "seaworthy/status.h"

namespace seaworthy::tpm {

// Whether `tcti` is of that form.
bool IsSocketTcti(const std::string& tcti);

// Connects. The caller ends it with CloseSocketTcti.
Result<TSS2_TCTI_CONTEXT*> OpenSocketTcti(const std::string& tcti);
void CloseSocketTcti(TSS2_TCTI_CONTEXT* context);

}  // namespace seaworthy::tpm
