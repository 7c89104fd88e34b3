// What every RPC passes: role, deadline, request id, audit record, Status -> grpc::Status.
//
//   grpc::Status Sign(grpc::ServerContext* context, const v1::SignRequest* request,
//                     v1::SignResponse* response) override {
//     return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.Sign", request->name(),
//                       [&](const rpc::Call& call) -> Status { ... });
//   }
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "seaworthy/deadline.h"
#include "seaworthy/rpc/peer.h"
#include "seaworthy/status.h"

namespace grpc {
class ServerContext;
class Status;
}  // namespace grpc

namespace seaworthy::rpc {

class AuditLog;

struct Call {
  Deadline deadline;  // the client's within the gate's cap, or the gate's default
  std::string request_id;
  Peer peer;
};

// The door of one server. Knows each method's required role and whether it is audited, read
// from the method options of the linked-in .proto files once.
class Gate {
 public:
  struct Options {
    // Who is at the other end of the call. The authority to answer is the server's: a local
    // server says its own fixed role, the remote one looks the connection up.
    std::function<Result<Peer>(const grpc::ServerContext&)> identify;
    AuditLog& audit;
    // For calls without a deadline of their own, and the cap on those that have one: a hardware
    // TPM may take more than a minute for an RSA key.
    std::chrono::milliseconds default_deadline{30'000};
    std::chrono::milliseconds longest_deadline{300'000};
    // Calls that stay, see Watch.
    std::size_t max_watches = 32;
  };

  explicit Gate(Options options);
  ~Gate();

  // From now on refuses calls (UNAVAILABLE, DRAINING), and waits for those under way; false
  // when some still are at the deadline.
  bool Drain(Deadline deadline);

 private:
  friend grpc::Status Serve(const Gate&, grpc::ServerContext&, std::string_view, std::string_view,
                            const std::function<Status(const Call&)>&);
  friend class Watch;
  struct State;
  class Passage;
  std::unique_ptr<State> state_;
};

// Runs `work` when the caller may call `method` (full name, with dots). Refused calls answer
// PERMISSION_DENIED (ROLE_TOO_LOW) or UNAUTHENTICATED and are audited. An audited method whose
// begin record cannot be written is not run. Exceptions end as INTERNAL. Each answer carries
// trailing metadata: "seaworthy-request-id", and on errors "seaworthy-reason".
grpc::Status Serve(const Gate& gate, grpc::ServerContext& context, std::string_view method,
                   std::string_view target, const std::function<Status(const Call&)>& work);

// A call that stays until its client goes. Each keeps a thread; they must leave some to the others.
class Watch {
 public:
  // RESOURCE_EXHAUSTED (TOO_MANY_WATCHERS).
  static Result<Watch> Begin(const Gate& gate);

 private:
  explicit Watch(std::shared_ptr<void> place) : place_(std::move(place)) {}
  std::shared_ptr<void> place_;  // gives the place free
};

}  // namespace seaworthy::rpc
