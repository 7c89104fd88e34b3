#include "seaworthy/modules/docker/engine_watch.h"

#include <poll.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "modules/docker/audit_report.h"
#include "modules/docker/configuration_watch.h"
#include "modules/docker/container_checks.h"
#include "modules/docker/engine_api.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/engine_process.h"
#include "modules/docker/known_findings.h"
#include "modules/docker/utc_time.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Kind = EngineEvent::Kind;
using Sink = std::function<bool(const EngineEvent&)>;

constexpr const char* kUsualConfigFile = "/etc/docker/daemon.json";
constexpr milliseconds kFirstWait{100};
constexpr milliseconds kLongestWait{5000};
constexpr milliseconds kLongestPause{10'000};
constexpr int kMostRest = 10;  // times what an audit takes
constexpr std::size_t kMaxExecs = 1000;

// What may change a finding.
constexpr const char* kFilters =
    R"({"type":["container","daemon","image","network","plugin","volume"],)"
    R"("event":["connect","create","delete","destroy","die","disable","disconnect","enable",)"
    R"("exec_create","exec_start","import","install","load","pause","pull","reload","remove",)"
    R"("rename","restart","start","stop","tag","unpause","untag","update"]})";

// The engine tells what has happened since this moment, also what happens before it listens for
// itself.
std::string EventsPath() {
  return "/events?since=" + EventTime() + "&filters=" + UrlEncode(kFilters);
}

// What keeps an audit from being one of the engine as it is.
Status TroubleOf(const Facts& facts) {
  for (const Status& status :
       {facts.version.status(), facts.info.status(), facts.containers.status(),
        facts.images.status(), facts.networks.status(), facts.volumes.status()}) {
    const std::string reason(Reason(status));
    if (reason == "ENGINE_ABSENT" || reason == "ENGINE_TIMEOUT") return status;
  }
  return {};
}

std::string Summary(const AuditReport& report) {
  std::string text = report.engine.empty() ? "No engine was there to be audited"
                                           : "The engine, " + report.engine + ", was audited";
  const char* separator = ": ";
  for (const auto& [outcome, count] : report.Counts()) {
    text += separator + std::to_string(count) + " " + std::string(ToString(outcome));
    separator = ", ";
  }
  return text + ".";
}

// One thread does it all, in turns: the engine's events, inotify, audits.
class EngineWatch {
 public:
  EngineWatch(Deadline deadline, const WatchOptions& options, ConfigurationWatch configuration,
              const Sink& next)
      : deadline_(deadline),
        options_(options),
        configuration_(std::move(configuration)),
        next_(next),
        events_(options.socket),
        question_(options.socket) {
    descriptors_ = {configuration_.descriptor()};
    if (options.stop >= 0) descriptors_.push_back(options.stop);
  }

  Status Run();

 private:
  void Emit(EngineEvent event);
  void GiveUp(const Status& why);
  void Note(const nlohmann::json& event);
  void LookAtExecs();
  std::optional<Deadline> Look(bool answers);
  void LookAside();
  void TakeChanges();
  void LookBesides();
  void Welcome();
  void Audit();
  void Tell(const AuditReport& report, bool execs);
  void Remember(const Facts& facts);
  void Lose(const Status& why);
  void LoseUnseen();
  void WaitFor(milliseconds time);
  bool WasStopped() const;

  const Deadline deadline_;
  const WatchOptions& options_;
  ConfigurationWatch configuration_;
  const Sink& next_;
  EngineApi events_;
  EngineApi question_;  // whether it is well
  std::vector<int> descriptors_;
  SitePolicy policy_;

  KnownFindings known_;
  pid_t pid_ = 0;
  bool begun_ = false;  // the first audit is told
  bool lost_ = false;   // the engine's going is told
  bool over_ = false;
  Status failed_;  // why it is over before its time
  // Of one stream of events.
  Deadline asked_;
  bool answers_ = false;
  Status trouble_;  // why it is given up
  // Of what was told since the last audit.
  bool dirty_ = false;
  std::set<std::string> execs_;
  Deadline heard_;  // when the engine answered last
  Deadline audited_;
  Deadline besides_ = Deadline::max();  // when what is looked after besides wants it next
  Deadline rested_;                     // when the next audit may be
  bool held_ = false;                   // an audit waits for that
  int row_ = 0;                         // how many have waited, one after the other
};

void EngineWatch::Emit(EngineEvent event) {
  if (over_) return;
  event.time = UtcNow();
  over_ = !next_(event);
}

void EngineWatch::GiveUp(const Status& why) {
  failed_ = why;
  over_ = true;
}

void EngineWatch::Note(const nlohmann::json& event) {
  heard_ = Clock::now();
  const std::string exec = Text(At(event, {"Actor", "Attributes", "execID"}));
  if (exec.empty() || execs_.size() >= kMaxExecs) {
    dirty_ = true;
  } else {
    execs_.insert(exec);
  }
}

// Each check of a container's health is an exec, and no reason for an audit. One that has ended is
// in no list any longer, but can still be looked at.
void EngineWatch::LookAtExecs() {
  for (auto at = execs_.begin(); at != execs_.end() && !dirty_;) {
    const Result<nlohmann::json> exec =
        question_.Get(DeadlineIn(options_.patience), "/exec/" + UrlEncode(*at) + "/json");
    dirty_ = exec.ok() ? MayBeWrong(*exec) : exec.status().code() != Code::kNotFound;
    if (!dirty_) at = execs_.erase(at);
  }
}

void EngineWatch::LookAside() {
  pollfd stop = {.fd = options_.stop, .events = POLLIN, .revents = 0};
  if (options_.stop >= 0 && poll(&stop, 1, 0) > 0) over_ = true;
  if (!over_ && configuration_.Told()) TakeChanges();
  LookBesides();
}

void EngineWatch::TakeChanges() {
  const Result<std::vector<ConfigurationChange>> changes = configuration_.Changes();
  if (!changes.ok()) return GiveUp(changes.status());
  for (const ConfigurationChange& change : *changes) {
    dirty_ = true;
    Emit({.kind = Kind::kConfiguration,
          .text = change.text,
          .path = change.path,
          .sha256 = change.sha256});
  }
}

void EngineWatch::LookBesides() {
  if (over_ || !options_.besides) return;
  const std::optional<Deadline> next = options_.besides();
  over_ = !next;
  if (next) besides_ = *next;
}

void EngineWatch::Welcome() {
  answers_ = true;
  dirty_ = true;
  heard_ = Clock::now();
  if (!std::exchange(lost_, false)) return;
  Emit({.kind = Kind::kEngineBack, .text = "The engine answers again."});
}

std::optional<Deadline> EngineWatch::Look(bool answers) {
  LookAside();
  if (over_) return std::nullopt;
  if (!answers) {
    const Deadline last = asked_ + options_.patience;
    if (Clock::now() < last) return std::min(last, besides_);
    trouble_ = Fail(Code::kDeadlineExceeded, "ENGINE_TIMEOUT",
                    options_.socket + ": the engine did not answer in time");
    return std::nullopt;
  }
  if (!answers_) Welcome();
  LookAtExecs();
  const Deadline now = Clock::now();
  if (now >= audited_ + options_.period) dirty_ = true;
  if (dirty_ && now >= rested_) {
    Audit();
    LookBesides();
  } else if (now >= heard_ + options_.silence) {
    trouble_ = question_.Ping(DeadlineIn(options_.patience));
    heard_ = Clock::now();
  }
  if (over_ || !trouble_.ok()) return std::nullopt;
  const Deadline next = std::min({heard_ + options_.silence, audited_ + options_.period, besides_});
  held_ = dirty_;
  return dirty_ ? std::min(next, rested_) : next;
}

void EngineWatch::Audit() {
  dirty_ = false;
  FactsOptions places;
  places.root = options_.root;
  places.socket = options_.socket;
  places.execs = std::exchange(execs_, {});
  const Deadline begin = Clock::now();
  const Result<Facts> facts = CollectFacts(std::min(deadline_, begin + options_.patience), places);
  if (!facts.ok()) return GiveUp(facts.status());
  trouble_ = TroubleOf(*facts);
  const AuditReport report = MakeReport(*facts, policy_);
  audited_ = Clock::now();
  heard_ = audited_;
  // A node whose events never end has other work as well.
  row_ = std::exchange(held_, false) ? std::min(row_ + 1, kMostRest) : 0;
  const auto took = std::chrono::ceil<milliseconds>(audited_ - begin);
  rested_ = audited_ + std::max(options_.pause, std::min(row_ * took, kLongestPause));
  if (trouble_.ok()) Remember(*facts);
  if (!begun_ || trouble_.ok()) Tell(report, !places.execs.empty());
}

void EngineWatch::Tell(const AuditReport& report, bool execs) {
  const AuditDifference difference = known_.Take(report);
  if (!std::exchange(begun_, true)) {
    Emit({.kind = Kind::kAudit, .text = Summary(report), .counts = report.Counts()});
    return;
  }
  for (const ReportedFinding& finding : difference.appeared) {
    Emit({.kind = Kind::kAppeared, .text = finding.text, .finding = finding});
  }
  for (const ReportedFinding& finding : difference.gone) {
    Emit({.kind = Kind::kGone, .text = "It does not fail any longer.", .finding = finding});
  }
  // What appeared may be of an exec that has ended, and that no event tells again.
  if (execs && !difference.appeared.empty()) dirty_ = true;
}

void EngineWatch::Remember(const Facts& facts) {
  if (!facts.config_file.path.empty()) {
    const Result<bool> other = configuration_.Follow(facts.config_file.path);
    if (!other.ok()) return GiveUp(other.status());
    // It may have changed since the facts were collected.
    dirty_ = dirty_ || *other;
  }
  if (!facts.process.ok()) return;
  const pid_t before = std::exchange(pid_, facts.process->pid);
  if (before == 0 || before == pid_) return;
  Emit({.kind = Kind::kRestarted,
        .text = "The engine was process " + std::to_string(before) + ", and is process " +
                std::to_string(pid_) + " now."});
}

void EngineWatch::Lose(const Status& why) {
  if (!begun_) Audit();
  if (std::exchange(lost_, true)) return;
  Emit({.kind = Kind::kEngineGone,
        .text = why.ok() ? options_.socket + ": the engine has ended its events" : Message(why)});
}

// Without the audit that is first, which would connect.
void EngineWatch::LoseUnseen() {
  if (begun_ || std::exchange(lost_, true)) return;
  Emit({.kind = Kind::kEngineGone, .text = "No dockerd listens at " + options_.socket + "."});
}

void EngineWatch::WaitFor(milliseconds time) {
  const Deadline until = std::min(deadline_, Clock::now() + time);
  std::vector<pollfd> waited;
  for (const int descriptor : descriptors_) {
    waited.push_back({.fd = descriptor, .events = POLLIN, .revents = 0});
  }
  while (!over_ && TimeLeft(until).count() > 0) {
    const auto left = TimeLeft(std::min(until, besides_)).count();
    poll(waited.data(), waited.size(), static_cast<int>(left));
    LookAside();
  }
}

// Whoever connects to a socket of systemd's has it start the engine, which somebody has stopped.
bool EngineWatch::WasStopped() const {
  if (pid_ == 0 && options_.connect_unseen) return false;
  return !FindEngineProcess(options_.root + "/proc", options_.socket).ok();
}

Status EngineWatch::Run() {
  if (!options_.policy.empty()) {
    ASSIGN_OR_RETURN(policy_, ParseSitePolicy(options_.policy));
  }
  milliseconds wait = kFirstWait;
  while (!over_ && TimeLeft(deadline_).count() > 0) {
    if (WasStopped()) {
      LoseUnseen();
      WaitFor(std::exchange(wait, std::min(wait * 2, kLongestWait)));
      continue;
    }
    asked_ = Clock::now();
    answers_ = false;
    trouble_ = {};
    const Besides besides = {.descriptors = descriptors_,
                             .look = [this](bool answers) { return Look(answers); }};
    const Status status = events_.Follow(
        deadline_, EventsPath(),
        [this](const nlohmann::json& event) {
          Note(event);
          return true;
        },
        besides);
    if (over_ || TimeLeft(deadline_).count() == 0) break;
    if (answers_) wait = kFirstWait;
    Lose(trouble_.ok() ? status : trouble_);
    WaitFor(std::exchange(wait, std::min(wait * 2, kLongestWait)));
  }
  return failed_;
}

}  // namespace

Status WatchEngine(Deadline deadline, const WatchOptions& options, const Sink& next) {
  ASSIGN_OR_RETURN(ConfigurationWatch configuration,
                   ConfigurationWatch::Open(options.root, kUsualConfigFile));
  return EngineWatch(deadline, options, std::move(configuration), next).Run();
}

}  // namespace seaworthy::docker
