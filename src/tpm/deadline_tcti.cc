#include "tpm/deadline_tcti.h"

#include <poll.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include <cerrno>

#include "tpm/socket_tcti.h"

namespace seaworthy::tpm {
namespace {

// tss2's own macros for calling a TCTI cast in C's way.
const TSS2_TCTI_CONTEXT_COMMON_V1& Table(TSS2_TCTI_CONTEXT* context) {
  return *reinterpret_cast<const TSS2_TCTI_CONTEXT_COMMON_V1*>(context);
}

Status Unavailable(const std::string& tcti, const std::string& why) {
  return Fail(Code::kUnavailable, "TPM_UNAVAILABLE", "open TPM \"" + tcti + "\": " + why);
}

}  // namespace

Result<std::unique_ptr<DeadlineTcti>> DeadlineTcti::Open(const std::string& tcti) {
  std::unique_ptr<DeadlineTcti> opened(new DeadlineTcti);
  TSS2_TCTI_CONTEXT*& inner = opened->face_.inner;
  if (IsSocketTcti(tcti)) {
    Result<TSS2_TCTI_CONTEXT*> socket = OpenSocketTcti(tcti);
    if (socket.status().code() == Code::kInvalidArgument) return socket.status();
    if (!socket.ok()) return Unavailable(tcti, Message(socket.status()));
    inner = *socket;
    opened->close_ = CloseSocketTcti;
  } else {
    if (TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti.c_str(), &inner); rc != TSS2_RC_SUCCESS) {
      return Unavailable(tcti, Tss2_RC_Decode(rc));
    }
    opened->close_ = [](TSS2_TCTI_CONTEXT* context) { Tss2_TctiLdr_Finalize(&context); };
  }
  TSS2_TCTI_CONTEXT_COMMON_V1& table = opened->face_.table.v1;
  table.magic = 0x534541574f525448;  // "SEAWORTH"
  table.version = 1;                 // no make-sticky, which version 2 adds
  table.transmit = Transmit;
  table.receive = Receive;
  table.cancel = [](TSS2_TCTI_CONTEXT* context) {
    return Table(Of(context).inner).cancel(Of(context).inner);
  };
  table.getPollHandles = [](TSS2_TCTI_CONTEXT* context, TSS2_TCTI_POLL_HANDLE* handles,
                            size_t* count) {
    return Table(Of(context).inner).getPollHandles(Of(context).inner, handles, count);
  };
  table.setLocality = [](TSS2_TCTI_CONTEXT* context, uint8_t locality) {
    return Table(Of(context).inner).setLocality(Of(context).inner, locality);
  };
  return opened;
}

DeadlineTcti::~DeadlineTcti() {
  if (face_.inner != nullptr) close_(face_.inner);
}

TSS2_RC DeadlineTcti::Transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command) {
  Face& face = Of(context);
  face.awaiting = true;
  return Table(face.inner).transmit(face.inner, size, command);
}

bool DeadlineTcti::WaitForResponse(Face& face) {
  TSS2_TCTI_POLL_HANDLE handles[4] = {};
  size_t count = 4;
  if (Table(face.inner).getPollHandles(face.inner, handles, &count) != TSS2_RC_SUCCESS) return true;
  for (size_t i = 0; i < count; ++i) handles[i].events = POLLIN;
  for (;;) {
    const auto left = TimeLeft(face.deadline);
    const int ready = poll(handles, count, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (left.count() == 0) return false;
  }
}

TSS2_RC DeadlineTcti::Receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response,
                              int32_t timeout) {
  Face& face = Of(context);
  // ESYS receives a response in two steps; by the second the inner TCTI may have it all.
  if (face.awaiting && !WaitForResponse(face)) {
    face.timed_out = true;
    return TSS2_TCTI_RC_IO_ERROR;
  }
  face.awaiting = false;
  return Table(face.inner).receive(face.inner, size, response, timeout);
}

}  // namespace seaworthy::tpm
