// The audit trail: each record once to the journal, structured, and once as a line of JSON to
// an append-only file. Thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "seaworthy/rpc/peer.h"
#include "seaworthy/status.h"

namespace seaworthy::rpc {

struct AuditRecord {
  std::chrono::system_clock::time_point time;
  std::string request_id;
  Role role = Role::kNone;
  std::string peer;
  std::string method;   // "seaworthy.v1.KeyService/Sign"; "tls.handshake" for the listener
  std::string target;   // what it was about, for example a key's name; may be empty
  std::string outcome;  // "begin", "ok", "refused" or "failed"
  std::string code;     // gRPC code's name; empty at begin
  std::string reason;   // see Fail() in status.h; empty when ok
  std::string message;
};

class AuditLog {
 public:
  // Opens (O_APPEND, mode 0600, no symbolic link) or makes the file. An empty path: journal
  // only.
  static Result<std::unique_ptr<AuditLog>> Open(const std::string& path);
  ~AuditLog();

  // One write(2) a record. UNAVAILABLE (AUDIT_FAILED) when the line could not be written whole.
  Status Write(const AuditRecord& record);

  // For log rotation, on SIGHUP: opens the path anew; the old file stays in use on error.
  Status Reopen();

  // OK, or why the last write failed.
  Status health() const;

 private:
  class State;
  explicit AuditLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::rpc
