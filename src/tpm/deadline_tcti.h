// A TCTI around another that bounds each wait for the TPM's response: ESYS's synchronous calls
// wait for ever, so the wait happens here, on the descriptors that the inner TCTI polls.
#pragma once

#include <tss2/tss2_tcti.h>

#include <memory>
#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::tpm {

class DeadlineTcti {
 public:
  static Result<std::unique_ptr<DeadlineTcti>> Open(const std::string& tcti);
  ~DeadlineTcti();
  DeadlineTcti(const DeadlineTcti&) = delete;
  DeadlineTcti& operator=(const DeadlineTcti&) = delete;

  TSS2_TCTI_CONTEXT* get() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&face_); }
  void set_deadline(Deadline deadline) { face_.deadline = deadline; }
  // A response did not come in time; the connection is of no use any more.
  bool timed_out() const { return face_.timed_out; }

 private:
  // What ESYS sees: tss2's function table first, as its macros expect.
  struct Face {
    TSS2_TCTI_CONTEXT_COMMON_V2 table;
    TSS2_TCTI_CONTEXT* inner;
    Deadline deadline;
    bool awaiting;  // a command was sent and nothing of its response was seen yet
    bool timed_out;
  };
  static Face& Of(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<Face*>(context); }
  static TSS2_RC Transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command);
  static bool WaitForResponse(Face& face);
  static TSS2_RC Receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response,
                         int32_t timeout);

  DeadlineTcti() = default;

  Face face_ = {};
  void (*close_)(TSS2_TCTI_CONTEXT*) = nullptr;  // how `inner` ends
};

}  // namespace seaworthy::tpm
