#include "seaworthy/modules/docker/drift.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "modules/docker/digest.h"
#include "modules/docker/hardening/config_files.h"
#include "modules/docker/hardening/engine_service.h"
#include "modules/docker/hardening/journal.h"
#include "modules/docker/hardening/profile.h"
#include "modules/docker/utc_time.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = EngineEvent::Kind;
using Sink = std::function<bool(const EngineEvent&)>;

// How soon the end of a transaction that is under way is noticed.
constexpr std::chrono::seconds kRound{1};
constexpr std::chrono::minutes kTransactionTime{10};

// A file that is not as a transaction left it.
struct Difference {
  std::string path;
  std::string transaction;  // its id
  std::optional<std::string> left;
  std::string now;  // all that tells it from another difference
  std::string sha256;
  std::string text;
};

struct Comparison {
  Transaction newest;  // that was applied
  std::vector<Difference> differences;
};

std::string RootOf(const DriftOptions& options) { return os::RootPrefix(options.watch.root); }

// What is there, of a file that is not as `left`, by its transaction.
Difference Describe(const std::string& root, const FileChange& left, const std::string& id) {
  Difference difference{left.path, id, left.after, "", "", ""};
  const Result<std::optional<std::string>> now = ReadConfigFile(root + left.path);
  if (!now.ok()) {
    difference.now = "!" + Message(now.status());
    difference.text =
        "It cannot be read, unlike as transaction " + id + " left it: " + Message(now.status());
    return difference;
  }
  const bool same = *now == left.after;
  difference.now = *now ? (same ? "m" : "c") + **now : "gone";
  if (*now) difference.sha256 = Sha256Hex(AsBytes(**now));
  if (same) {
    difference.text = "Its mode has more than 0644, which transaction " + id + " did not leave.";
  } else if (!*now) {
    difference.text = "It is gone; transaction " + id + " left one.";
  } else {
    difference.text = "It is not as transaction " + id + " left it.";
  }
  return difference;
}

// The newest that was applied says what each file is to be; an older one of those it has not.
Result<Comparison> Compare(const std::string& root, const std::vector<Transaction>& history) {
  Comparison found;
  std::set<std::string> seen;
  for (const Transaction& transaction : history) {
    if (transaction.result != "applied") continue;
    if (found.newest.id.empty()) found.newest = transaction;
    for (const FileChange& file : transaction.files) {
      if (!seen.insert(file.path).second) continue;
      const Result<bool> same = SaysConfigFile(root + file.path, file.after);
      if (same.ok() && *same) continue;
      found.differences.push_back(Describe(root, file, transaction.id));
    }
  }
  return found;
}

std::string NewestOf(const std::vector<Transaction>& history) {
  return history.empty() ? "" : history.front().id;
}

// Nothing while a transaction is under way: the files are on their way then.
Result<std::optional<Comparison>> CompareAtRest(const std::string& root, const std::string& state) {
  if (IsUnderWay(state)) return std::nullopt;
  const Result<std::vector<Transaction>> history = ReadHistory(state);
  // One that is older than those that are kept went meanwhile.
  if (history.status().code() == Code::kNotFound) return std::nullopt;
  RETURN_IF_ERROR(history.status());
  ASSIGN_OR_RETURN(Comparison found, Compare(root, *history));
  // Unless one began, or began and ended, since.
  if (IsUnderWay(state)) return std::nullopt;
  const Result<std::vector<Transaction>> again = ReadHistory(state);
  if (!again.ok() || NewestOf(*again) != NewestOf(*history)) return std::nullopt;
  return found;
}

class DriftWatch {
 public:
  DriftWatch(const DriftOptions& options, const Sink& next) : options_(options), next_(next) {}

  bool Take(const EngineEvent& event);
  std::optional<Deadline> Look();
  const Status& failed() const { return failed_; }

 private:
  bool Emit(EngineEvent event);
  void Tell(const std::vector<Difference>& differences);
  void Reapply(const Comparison& found);
  Result<Transaction> ApplyAgain(const std::string& name, bool& wanted);
  Status CheckEngine() const;
  void TellApplied(const Transaction& done, const Comparison& found);
  void TellRefused(const std::string& profile, const Status& why);

  const DriftOptions& options_;
  const Sink& next_;
  std::map<std::string, std::string> told_;  // by path
  std::string tried_;                        // the differences that were tried to be undone
  std::string given_up_;                     // the id of what would be applied again
  bool engine_missed_ = false;               // it was not there to be changed
  Deadline due_ = Deadline::max();           // until the watch has told how the engine stands
  Deadline rested_;
  Deadline written_;
  bool over_ = false;
  Status failed_;
};

bool DriftWatch::Emit(EngineEvent event) {
  event.time = UtcNow();
  over_ = over_ || !next_(event);
  return !over_;
}

bool DriftWatch::Take(const EngineEvent& event) {
  if (event.kind != Kind::kAppeared && event.kind != Kind::kGone) due_ = Clock::now();
  const bool there = event.kind == Kind::kEngineBack || event.kind == Kind::kRestarted;
  if (there && std::exchange(engine_missed_, false)) tried_.clear();
  over_ = over_ || !next_(event);
  return !over_;
}

std::optional<Deadline> DriftWatch::Look() {
  if (over_) return std::nullopt;
  if (Clock::now() < due_) return due_;
  const Result<std::optional<Comparison>> found =
      CompareAtRest(RootOf(options_), RootOf(options_) + options_.state);
  if (!found.ok()) {
    failed_ = found.status();
    return std::nullopt;
  }
  if (!*found) return due_ = Clock::now() + kRound;
  due_ = Clock::now() + options_.watch.period;
  if (told_.empty()) written_ = Clock::now() + options_.settle;
  Tell((*found)->differences);
  if ((*found)->differences.empty()) {
    tried_.clear();
  } else if (options_.reapply && !over_) {
    Reapply(**found);
  }
  return over_ ? std::nullopt : std::optional(due_);
}

void DriftWatch::Tell(const std::vector<Difference>& differences) {
  const std::map<std::string, std::string> before = std::exchange(told_, {});
  for (const Difference& difference : differences) {
    const std::string what = difference.transaction + " " + difference.now;
    const auto known = before.find(difference.path);
    told_[difference.path] = what;
    if (known != before.end() && known->second == what) continue;
    EngineEvent event;
    event.kind = Kind::kDrift;
    event.text = difference.text;
    event.path = difference.path;
    event.sha256 = difference.sha256;
    event.transaction = difference.transaction;
    if (!Emit(std::move(event))) return;
  }
}

// As an engine that nobody may see is not to be connected to, or systemd starts it.
Status DriftWatch::CheckEngine() const {
  const std::string proc = RootOf(options_) + "/proc";
  const Status there = FindEngineProcess(proc, options_.watch.socket).status();
  if (!there.ok()) return Fail(Code::kUnavailable, "ENGINE_ABSENT", Message(there));
  return options_.units_alone ? CheckUnit(proc, options_.watch.socket) : Status();
}

Result<Transaction> DriftWatch::ApplyAgain(const std::string& name, bool& wanted) {
  HardeningOptions how;
  how.root = options_.watch.root;
  how.socket = options_.watch.socket;
  how.state = options_.state;
  how.patience = options_.patience;
  how.profile = name;
  how.profiles = options_.profiles;
  ASSIGN_OR_RETURN(const Profile profile, ChooseProfile(how));
  wanted = profile.reapply;
  if (!wanted) return Transaction();
  RETURN_IF_ERROR(CheckEngine());
  return ApplyHardening(DeadlineIn(kTransactionTime), how, {});
}

void DriftWatch::Reapply(const Comparison& found) {
  // After a roll-back somebody wants what was there before.
  if (found.newest.kind != "apply" || found.newest.id == given_up_) return;
  std::string what;
  for (const Difference& difference : found.differences) {
    what += difference.path + " " + difference.transaction + " " + difference.now + "\n";
  }
  if (what == tried_) return;
  if (const Deadline soonest = std::max(rested_, written_); Clock::now() < soonest) {
    due_ = std::min(due_, soonest);
    return;
  }
  bool wanted = true;
  const Result<Transaction> done = ApplyAgain(found.newest.profile, wanted);
  if (Reason(done.status()) == "HARDENING_BUSY") {
    due_ = Clock::now() + kRound;
    return;
  }
  tried_ = what;
  if (!wanted) return;
  const Code code = done.status().code();
  engine_missed_ = code == Code::kUnavailable || code == Code::kDeadlineExceeded;
  if (!engine_missed_) rested_ = Clock::now() + options_.pause;
  if (!done.ok()) return TellRefused(found.newest.profile, done.status());
  // What was edited since is looked at again.
  due_ = Clock::now();
  if (done->result == "broken") given_up_ = found.newest.id;
  TellApplied(*done, found);
}

void DriftWatch::TellApplied(const Transaction& done, const Comparison& found) {
  EngineEvent event;
  event.transaction = done.id;
  event.result = done.result;
  event.kind = Kind::kReapplied;
  const std::string profile = "The profile " + done.profile;
  if (done.result == "unchanged") {
    event.transaction.clear();  // there was none
    event.text = profile + " has nothing to change: what differs it does not name, and that stays.";
  } else if (done.result == "applied") {
    const bool stays = std::ranges::any_of(done.files, [&](const FileChange& file) {
      return std::ranges::any_of(found.differences, [&](const Difference& difference) {
        return difference.path == file.path && difference.left != file.after;
      });
    });
    event.text = profile + " was applied again" +
                 (stays ? ", and what it does not name stays as it was edited." : ".");
  } else {
    event.kind = Kind::kReapplyRefused;
    event.reason = done.reason;
    event.text = profile + " was applied again, and undone: " + done.problem;
  }
  (void)Emit(std::move(event));
}

void DriftWatch::TellRefused(const std::string& profile, const Status& why) {
  EngineEvent event;
  event.kind = Kind::kReapplyRefused;
  event.text = "The profile " + profile + " is not applied again: " + Message(why);
  event.reason = Reason(why);
  (void)Emit(std::move(event));
}

}  // namespace

Status WatchDrift(Deadline deadline, const DriftOptions& options, const Sink& next) {
  DriftWatch drift(options, next);
  WatchOptions watch = options.watch;
  watch.besides = [&drift] { return drift.Look(); };
  RETURN_IF_ERROR(WatchEngine(deadline, watch,
                              [&drift](const EngineEvent& event) { return drift.Take(event); }));
  return drift.failed();
}

}  // namespace seaworthy::docker
