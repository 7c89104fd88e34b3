#include "seaworthy/rpc/serve.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>
#include <sys/random.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>

#include "method.h"
#include "seaworthy/bytes.h"
#include "seaworthy/log.h"
#include "seaworthy/rpc/audit.h"

namespace seaworthy::rpc {
namespace {

constexpr std::size_t kMaxRequestId = 64;

bool IsRequestIdCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
         c == '_' || c == '-';
}

// The caller's own id, so that its logs and our audit can be put side by side, or a new one.
std::string RequestId(const grpc::ServerContext& context) {
  const auto& metadata = context.client_metadata();
  if (const auto given = metadata.find("x-request-id"); given != metadata.end()) {
    const grpc::string_ref& text = given->second;
    if (!text.empty() && text.size() <= kMaxRequestId &&
        std::all_of(text.begin(), text.end(), IsRequestIdCharacter)) {
      return {text.data(), text.size()};
    }
  }
  std::uint8_t random[8] = {};
  // 8 bytes are below the size at which getrandom may be interrupted.
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) std::abort();
  return Hex(random);
}

// gRPC tells the client's deadline by the wall clock; no deadline is the largest time_point.
Deadline CallDeadline(const grpc::ServerContext& context, const Gate::Options& options) {
  const auto now = std::chrono::system_clock::now();
  const auto given = context.deadline();
  if (given == std::chrono::system_clock::time_point::max()) {
    return DeadlineIn(options.default_deadline);
  }
  if (given >= now + options.longest_deadline) return DeadlineIn(options.longest_deadline);
  return std::chrono::steady_clock::now() + (given - now);
}

// "seaworthy.v1.KeyService.Sign" -> "seaworthy.v1.KeyService/Sign", as gRPC writes it.
std::string PathOf(std::string_view method) {
  std::string path(method);
  path[path.rfind('.')] = '/';
  return path;
}

std::string CodeName(Code code) { return Reason(Status(code, "")); }

Status Authorize(const MethodRule& rule, const Peer& peer, std::string_view path) {
  if (peer.role == Role::kNone) {
    return Fail(Code::kPermissionDenied, "UNKNOWN_CLIENT",
                "no role is configured for " + peer.identity);
  }
  if (rule.required_role == Role::kNone || peer.role < rule.required_role) {
    return Fail(Code::kPermissionDenied, "ROLE_TOO_LOW",
                std::string(path) + " needs the role " + std::string(ToString(rule.required_role)) +
                    "; this connection has " + std::string(ToString(peer.role)));
  }
  return {};
}

Status RunCatching(const std::function<Status(const Call&)>& work, const Call& call) {
  // Ours throw nothing; libraries below may (std::bad_alloc), and one call must not end the
  // daemon.
  try {
    return work(call);
  } catch (const std::exception& exception) {
    Log(Level::kError, "exception in a call: " + std::string(exception.what()),
        {{"SEAWORTHY_REQUEST_ID", call.request_id}});
  } catch (...) {
    Log(Level::kError, "exception in a call", {{"SEAWORTHY_REQUEST_ID", call.request_id}});
  }
  return Fail(
      Code::kInternal, "INTERNAL_ERROR",
      "the daemon failed while serving the call; see its log for request " + call.request_id);
}

grpc::Status Answer(grpc::ServerContext& context, const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  context.AddTrailingMetadata("seaworthy-reason", Reason(status));
  return {static_cast<grpc::StatusCode>(status.code()), Message(status)};
}

}  // namespace

struct Gate::State {
  explicit State(Options given) : options(std::move(given)) {}

  const Options options;
  std::mutex mutex;  // guards what follows
  std::condition_variable idle;
  int calls = 0;
  std::size_t watches = 0;
  bool draining = false;
};

// One call under way, as Drain counts it.
class Gate::Passage {
 public:
  explicit Passage(State& state) : state_(state) {
    const std::lock_guard lock(state_.mutex);
    entered_ = !state_.draining;
    if (entered_) state_.calls++;
  }
  ~Passage() {
    if (!entered_) return;
    const std::lock_guard lock(state_.mutex);
    if (--state_.calls == 0 && state_.draining) state_.idle.notify_all();
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  bool entered() const { return entered_; }

 private:
  State& state_;
  bool entered_ = false;
};

Gate::Gate(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Gate::~Gate() = default;

bool Gate::Drain(Deadline deadline) {
  std::unique_lock lock(state_->mutex);
  state_->draining = true;
  return state_->idle.wait_until(lock, deadline, [&] { return state_->calls == 0; });
}

Result<Watch> Watch::Begin(const Gate& gate) {
  Gate::State& state = *gate.state_;
  const std::lock_guard lock(state.mutex);
  if (state.watches >= state.options.max_watches) {
    return Fail(
        Code::kResourceExhausted, "TOO_MANY_WATCHERS",
        "at most " + std::to_string(state.options.max_watches) + " clients may watch at a time");
  }
  ++state.watches;
  return Watch(std::shared_ptr<void>(&state, [](void* counted) {
    auto& left = *static_cast<Gate::State*>(counted);
    const std::lock_guard leaving(left.mutex);
    --left.watches;
  }));
}

grpc::Status Serve(const Gate& gate, grpc::ServerContext& context, std::string_view method,
                   std::string_view target, const std::function<Status(const Call&)>& work) {
  const Gate::Passage passage(*gate.state_);
  if (!passage.entered()) {
    return Answer(context, Fail(Code::kUnavailable, "DRAINING", "the daemon is stopping"));
  }
  const std::optional<MethodRule> rule = FindMethodRule(method);
  if (!rule) {
    std::fprintf(stderr, "no linked-in .proto has the method %s\n", std::string(method).c_str());
    std::abort();
  }
  const Gate::Options& options = gate.state_->options;
  Call call;
  call.request_id = RequestId(context);
  call.deadline = CallDeadline(context, options);
  context.AddTrailingMetadata("seaworthy-request-id", call.request_id);

  AuditRecord record;
  record.request_id = call.request_id;
  record.method = PathOf(method);
  record.target = target;
  const auto audit = [&](std::string_view outcome, const Status& status) {
    record.time = std::chrono::system_clock::now();
    record.outcome = outcome;
    record.code = outcome == "begin" ? "" : CodeName(status.code());
    record.reason = status.ok() ? "" : Reason(status);
    record.message = Message(status);
    Status written = options.audit.Write(record);
    if (!written.ok()) Log(Level::kError, Message(written));
    return written;
  };

  Result<Peer> peer = options.identify(context);
  Status allowed = peer.status();
  if (peer.ok()) {
    call.peer = *std::move(peer);
    record.role = call.peer.role;
    record.peer = call.peer.identity;
    allowed = Authorize(*rule, call.peer, record.method);
  }
  if (!allowed.ok()) {
    // Refused anyway: a record that can't be written takes nothing from anybody.
    static_cast<void>(audit("refused", allowed));
    return Answer(context, allowed);
  }
  if (!rule->audited) return Answer(context, RunCatching(work, call));

  if (Status begun = audit("begin", {}); !begun.ok()) {
    return Answer(context, Wrap(begun, "not run because it could not be audited"));
  }
  const Status status = RunCatching(work, call);
  // What was done is done; a lost outcome shows in the log and in the daemon's health.
  static_cast<void>(audit(status.ok() ? "ok" : "failed", status));
  return Answer(context, status);
}

}  // namespace seaworthy::rpc
