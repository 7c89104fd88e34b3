#include "seaworthy/modules/docker/hardener.h"

#include "modules/docker/hardener_protocol.h"
#include "modules/docker/hardener_socket.h"
#include "modules/docker/hardening/engine_service.h"
#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/modules/docker/drift.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

// For what changes nothing, and for a transaction with its way back. The program's own end is
// later.
constexpr std::chrono::seconds kLookingTime{60};
constexpr std::chrono::seconds kTransactionTime{600};
constexpr std::chrono::hours kWatchTime{24};
// What other clients than ours take as a message.
constexpr std::size_t kMaxHistory = std::size_t{3} << 20;

// The lines that go back. Once the other side has not taken one there is no sense in more.
class Answers {
 public:
  Answers(int socket, std::chrono::milliseconds patience) : socket_(socket), patience_(patience) {}

  // Never waits: the engine may be down meanwhile.
  void Step(const HardeningStep& step) {
    if (taken_) taken_ = TrySendLine(socket_, StepLine(ToJson(step)));
  }
  bool Event(const EngineEvent& event) {
    return SendLine(socket_, DeadlineIn(patience_), EventLine(ToJson(event))).ok();
  }
  int socket() const { return socket_; }
  Status Last(const std::string& line) const {
    if (!taken_) {
      return Fail(Code::kUnavailable, "CLIENT_GONE", "who asked does not take the answer");
    }
    return SendLine(socket_, DeadlineIn(patience_), line);
  }

 private:
  const int socket_;
  const std::chrono::milliseconds patience_;
  bool taken_ = true;
};

// A node may be without one.
Result<std::string> ReadSitePolicy(const std::string& path) {
  const Result<Bytes> file = ReadFile(path, kMaxSitePolicy);
  if (file.status().code() == Code::kNotFound) return std::string();
  RETURN_IF_ERROR(file.status());
  return std::string(AsText(*file));
}

HardeningOptions HowTo(const HardenerRequest& request, const HardenerOptions& options) {
  HardeningOptions how;
  how.root = options.root;
  how.socket = options.socket;
  how.state = options.state;
  how.profiles = options.profiles;
  how.profile = request.profile;
  how.consents = request.consents;
  how.digest = request.digest;
  how.canary = request.canary;
  return how;
}

Result<std::string> Audit(const HardenerOptions& options) {
  EngineAuditOptions how;
  how.root = options.root;
  how.socket = options.socket;
  ASSIGN_OR_RETURN(how.policy, ReadSitePolicy(options.site_policy));
  const Result<AuditReport> report = AuditEngine(DeadlineIn(kLookingTime), how);
  if (!report.ok()) return Wrap(report.status(), options.site_policy);
  return ToJson(*report);
}

Result<DriftOptions> ToWatch(const HardenerOptions& options) {
  DriftOptions how;
  how.watch.root = options.root;
  how.watch.socket = options.socket;
  ASSIGN_OR_RETURN(how.watch.policy, ReadSitePolicy(options.site_policy));
  how.state = options.state;
  how.profiles = options.profiles;
  how.units_alone = options.units_alone;
  return how;
}

// Until who asked goes, which makes the socket readable. Nothing is applied again for it.
Result<std::string> Watch(const HardenerOptions& options, Answers& answers) {
  if (options.watching) options.watching();
  ASSIGN_OR_RETURN(DriftOptions how, ToWatch(options));
  how.watch.stop = answers.socket();
  const Status done = WatchDrift(DeadlineIn(kWatchTime), how,
                                 [&](const EngineEvent& event) { return answers.Event(event); });
  if (!done.ok()) return Wrap(done, options.site_policy);
  return std::string("{}");
}

Result<std::string> History(const HardenerOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<Transaction> transactions, HardeningHistory(options.state));
  std::string list;
  for (const Transaction& transaction : transactions) {
    const std::string next = ToJson(transaction);
    if (list.size() + next.size() > kMaxHistory) break;
    list += (list.empty() ? "" : ",") + next;
  }
  return "{\"transactions\":[" + list + "]}";
}

void LogEnd(const Transaction& transaction) {
  const bool well = transaction.result == "applied" || transaction.result == "unchanged";
  std::string text = transaction.kind + " of the profile " + transaction.profile +
                     ", transaction " + transaction.id + ": " + transaction.result;
  if (!transaction.reason.empty()) text += ", " + transaction.reason + ": " + transaction.problem;
  Log(well ? Level::kNotice : Level::kError, text);
}

Result<std::string> Change(const HardenerRequest& request, const HardenerOptions& options,
                           Answers& answers) {
  if (options.units_alone)
    RETURN_IF_ERROR(CheckUnit(os::RootPrefix(options.root) + "/proc", options.socket));
  const HardeningOptions how = HowTo(request, options);
  const StepSink step = [&answers](const HardeningStep& begun) { answers.Step(begun); };
  const Deadline deadline = DeadlineIn(kTransactionTime);
  const Result<Transaction> done =
      request.call == HardenerCall::kApply
          ? ApplyHardening(deadline, how, step)
          : RollBackHardening(deadline, how, request.transaction, step);
  RETURN_IF_ERROR(done.status());
  LogEnd(*done);
  return ToJson(*done);
}

Result<std::string> Do(const HardenerRequest& request, const HardenerOptions& options,
                       Answers& answers) {
  switch (request.call) {
    case HardenerCall::kAudit:
      return Audit(options);
    case HardenerCall::kWatch:
      return Watch(options, answers);
    case HardenerCall::kPlan: {
      ASSIGN_OR_RETURN(const Plan plan,
                       PlanHardening(DeadlineIn(kLookingTime), HowTo(request, options)));
      return ToJson(plan);
    }
    case HardenerCall::kApply:
    case HardenerCall::kRollBack:
      return Change(request, options, answers);
    case HardenerCall::kHistory:
      break;
  }
  return History(options);
}

Result<HardenerRequest> ReadRequest(int socket, std::chrono::milliseconds patience) {
  LineReader lines(socket, kMaxHardenerRequest);
  ASSIGN_OR_RETURN(const std::string line, lines.Next(DeadlineIn(patience)));
  if (lines.pending()) {
    return Fail(Code::kInvalidArgument, "HARDENER_REQUEST_MALFORMED",
                "the request has more than one line");
  }
  return ParseHardenerRequest(line);
}

Level LevelOf(const EngineEvent& event) {
  switch (event.kind) {
    case EngineEvent::Kind::kAppeared:
    case EngineEvent::Kind::kEngineGone:
    case EngineEvent::Kind::kDrift:
      return Level::kWarning;
    case EngineEvent::Kind::kReapplyRefused:
      return event.result == "broken" ? Level::kError : Level::kWarning;
    case EngineEvent::Kind::kAudit:
    case EngineEvent::Kind::kGone:
    case EngineEvent::Kind::kConfiguration:
    case EngineEvent::Kind::kEngineBack:
    case EngineEvent::Kind::kRestarted:
    case EngineEvent::Kind::kReapplied:
      break;
  }
  return Level::kNotice;
}

void LogEvent(const EngineEvent& event) {
  std::string text(ToString(event.kind));
  if (event.finding) {
    text += " " + event.finding->check;
    if (!event.finding->subject.empty()) text += " " + event.finding->subject;
  }
  if (!event.path.empty()) text += " " + event.path;
  if (!event.reason.empty()) text += " " + event.reason;
  Log(LevelOf(event), text + ": " + event.text, {{"SEAWORTHY_DOCKER_EVENT", ToJson(event)}});
}

}  // namespace

Status ServeHardenerRequest(int socket, const HardenerOptions& options,
                            std::chrono::milliseconds patience) {
  Answers answers(socket, patience);
  const Result<HardenerRequest> request = ReadRequest(socket, patience);
  Result<std::string> done =
      request.ok() ? Do(*request, options, answers) : Result<std::string>(request.status());
  if (done.ok() && done->size() > kMaxHardenerAnswer - kMaxHardenerRequest) {
    done = Fail(Code::kResourceExhausted, "HARDENER_ANSWER_TOO_LARGE",
                "the answer has more than can be sent; ask on the node: seaworthyctl docker");
  }
  const Status told = answers.Last(done.ok() ? AnswerLine(*done) : ErrorLine(done.status()));
  // Who has watched enough is gone.
  if (done.ok() && request->call == HardenerCall::kWatch) return {};
  RETURN_IF_ERROR(told);
  if (done.ok()) return {};
  return request.ok() ? Wrap(done.status(), Name(request->call)) : done.status();
}

Status RecoverWithHardener(const HardenerOptions& options, std::chrono::milliseconds patience) {
  HardeningOptions how;
  how.root = options.root;
  how.socket = options.socket;
  how.state = options.state;
  how.patience = patience;
  const Result<std::optional<Transaction>> settled = RecoverHardening(how);
  if (Reason(settled.status()) == "HARDENING_BUSY") return {};
  RETURN_IF_ERROR(settled.status());
  if (*settled) LogEnd(**settled);
  return {};
}

Status WatchWithHardener(const HardenerOptions& options, int stop) {
  Result<DriftOptions> how = ToWatch(options);
  RETURN_IF_ERROR(how.status());
  how->watch.stop = stop;
  how->watch.connect_unseen = false;
  how->reapply = true;
  return WatchDrift(Deadline::max(), *how, [](const EngineEvent& event) {
    LogEvent(event);
    return true;
  });
}

}  // namespace seaworthy::docker
