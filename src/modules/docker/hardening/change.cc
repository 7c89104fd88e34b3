#include "modules/docker/hardening/change.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "modules/docker/daemon_json.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/hardening/config_files.h"
#include "modules/docker/utc_time.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

// An engine that does not say that it reloaded has refused what it read.
constexpr std::chrono::seconds kReloadPatience{10};
// What stopping the engine may take, on the way back, beside the patience with its start.
constexpr std::chrono::seconds kStopPatience{100};
constexpr int kPingMs = 50;
// For one of them to end by itself.
constexpr std::chrono::seconds kContainerStop{10};

Settings SettingsOf(const std::optional<std::string>& text, const EngineVersion& version) {
  if (!text) return {};
  const Result<DaemonJson> parsed = ParseDaemonJson(*text, version);
  return parsed.ok() ? parsed->settings : Settings();
}

}  // namespace

Change::Change(const Journal& journal, OpenTransaction open, EngineService service,
               EngineSituation situation, const HardeningOptions& options, const StepSink& step)
    : journal_(journal),
      open_(std::move(open)),
      service_(std::move(service)),
      situation_(std::move(situation)),
      root_(os::RootPrefix(options.root)),
      proc_(root_ + "/proc"),
      patience_(options.patience),
      engine_(options.socket),
      step_(step) {}

void Change::Tell(const std::string& name, const std::string& text) const {
  if (step_) step_({name, text});
}

Result<Transaction> Change::End(const std::string& result, const Status& why) {
  Transaction& transaction = open_.transaction;
  transaction.result = result;
  transaction.ended = UtcNow();
  if (!why.ok()) {
    transaction.reason = Reason(why);
    transaction.problem = Message(why);
  }
  RETURN_IF_ERROR(journal_.End(transaction));
  Tell("done", result == "applied" ? "the engine runs with it" : "the old configuration is back");
  return transaction;
}

Result<Transaction> Change::Make(Deadline deadline, bool canary) {
  Tell("prepare", "what is to be done is written down");
  RETURN_IF_ERROR(journal_.Write(open_));
  const Status done = Forth(deadline, canary);
  if (done.ok()) {
    Result<Transaction> ended = End("applied", {});
    if (ended.ok()) return ended;
    // Nobody would know of it: it is not to be.
    (void)Back();
    return ended.status();
  }
  Tell("restore", "it failed: " + Message(done));
  return Undo(done);
}

Result<Transaction> Change::Recover() {
  Tell("restore", "transaction " + open_.transaction.id + " was interrupted and is undone");
  std::string text = "it was interrupted";
  if (patience_.count() == 0 && !open_.stopped.empty()) {
    text += "; start again what it had stopped: " + Join(open_.stopped);
  }
  return Undo(Fail(Code::kAborted, "INTERRUPTED", text));
}

Result<Transaction> Change::Undo(const Status& why) {
  if (const Status files = BackFiles(); !files.ok()) {
    // It stays in the journal, for the next one to try again.
    if (Reason(files) != "FILES_CHANGED") return Wrap(files, Message(why) + "; and undoing it");
    return End("broken", Wrap(files, Message(why)));
  }
  if (patience_.count() == 0) return End("restored", why);
  const Status back = Back();
  if (back.ok()) return End("restored", why);
  return End("broken", Wrap(back, Message(why) + "; and undoing it"));
}

// Whatever the engine does: the next one that starts has the old configuration.
Status Change::BackFiles() {
  const ConfigTexts texts = Texts();
  for (const FileChange& file : open_.transaction.files) {
    ASSIGN_OR_RETURN(const std::optional<std::string> now, ReadConfigFile(At(file.path)));
    bool ours = now == file.before || now == file.after;
    if (!ours && file.path == open_.config_file) {
      ASSIGN_OR_RETURN(const Course forth,
                       PlotCourse(texts.before, texts.after, open_.effect, situation_));
      ASSIGN_OR_RETURN(const Course back,
                       PlotCourse(texts.after, texts.before, open_.effect, situation_));
      for (const Course* const course : {&forth, &back}) {
        ours |= now == course->ready || now == course->taken || now == course->settled;
      }
    }
    if (!ours) {
      return Fail(
          Code::kAborted, "FILES_CHANGED",
          file.path + ": has been changed by somebody else meanwhile, and is left as it is");
    }
    if (now != file.before) RETURN_IF_ERROR(PutConfigFile(At(file.path), file.before));
  }
  return {};
}

Status Change::Forth(Deadline deadline, bool canary) {
  const ConfigTexts texts = Texts();
  ASSIGN_OR_RETURN(const Course course,
                   PlotCourse(texts.before, texts.after, open_.effect, situation_));
  auto time = patience_ + kStopPatience;
  if (course.ends_containers) time += kContainerStop * open_.containers.size();
  const Deadline end = std::min(deadline, DeadlineIn(time));
  RETURN_IF_ERROR(Travel(end, course, false));
  Tell("check", "the engine is looked at");
  Settings wanted = SettingsOf(texts.after, situation_.version);
  // While containers run on it the engine leaves its bridge as it is, as the plan has said.
  if (course.keeps_containers && !open_.containers.empty()) wanted.erase("icc");
  const Deadline looked = std::min(end, DeadlineIn(patience_));
  RETURN_IF_ERROR(WaitForSettings(looked, wanted));
  if (course.keeps_containers) RETURN_IF_ERROR(CheckContainers(looked, engine_, open_.containers));
  if (!canary) return {};
  Tell("canary", "a container is started to try it");
  return RunCanary(std::min(end, DeadlineIn(patience_)), engine_, proc_, wanted);
}

Status Change::Back() {
  RETURN_IF_ERROR(BackFiles());
  if (!open_.activated) return {};
  const ConfigTexts texts = Texts();
  ASSIGN_OR_RETURN(const Course course,
                   PlotCourse(texts.after, texts.before, open_.effect, situation_));
  // However late it is, and twice if need be, for there is nothing else to go back to: a node
  // without an engine is worse than a late answer.
  Status travelled = Travel(DeadlineIn(patience_ + kStopPatience), course, true);
  if (!travelled.ok()) travelled = Travel(DeadlineIn(patience_ + kStopPatience), course, true);
  // Also when the engine is not well: the file is the old one.
  RETURN_IF_ERROR(BackFiles());
  RETURN_IF_ERROR(travelled);
  const Deadline deadline = DeadlineIn(patience_ + kStopPatience);
  RETURN_IF_ERROR(StartContainers(deadline));
  (void)RemoveCanaries(deadline, engine_);
  return {};
}

Status Change::Travel(Deadline deadline, const Course& course, bool back) {
  const bool answers = engine_.Ping(std::min(deadline, DeadlineIn(kReloadPatience))).ok();
  if (course.ready && answers) {
    Tell("reload", "the engine is told to leave its containers alone");
    RETURN_IF_ERROR(WriteConfig(course.ready));
    const Status told = ReloadAndWait(deadline);
    // On the way back nothing is better than going on.
    if (!told.ok() && !back) return told;
  }
  if (course.ends_containers && !back) RETURN_IF_ERROR(StopContainers(deadline));
  Tell("write", open_.config_file + " is replaced");
  RETURN_IF_ERROR(WriteOthers(back));
  RETURN_IF_ERROR(WriteConfig(course.taken));
  // One that has died is started again also for what it could have reloaded.
  const bool restart = course.effect == Effect::kRestart || !answers;
  if (restart || course.effect == Effect::kReload) {
    RETURN_IF_ERROR(restart ? Restart(deadline) : Reload(deadline));
  }
  if (course.settled) {
    RETURN_IF_ERROR(WriteConfig(course.settled));
    RETURN_IF_ERROR(ReloadAndWait(deadline));
  }
  return WriteConfig(course.last);
}

Status Change::Reload(Deadline deadline) {
  Tell("reload", "the engine is told to read it");
  return ReloadAndWait(deadline);
}

Status Change::Restart(Deadline deadline) {
  Tell("restart",
       service_.unit().empty() ? "the engine is started again" : service_.unit() + " is restarted");
  RETURN_IF_ERROR(Activate());
  RETURN_IF_ERROR(service_.Restart(deadline, Texts().other_files));
  return WaitForEngine(std::min(deadline, DeadlineIn(patience_)));
}

Status Change::WriteConfig(const std::optional<std::string>& text) {
  const std::string path = At(open_.config_file);
  ASSIGN_OR_RETURN(const bool there, SaysConfigFile(path, text));
  return there ? Status() : PutConfigFile(path, text);
}

Status Change::WriteOthers(bool back) {
  for (const FileChange& file : open_.transaction.files) {
    if (file.path == open_.config_file) continue;
    RETURN_IF_ERROR(PutConfigFile(At(file.path), back ? file.before : file.after));
  }
  return {};
}

// From now on undoing it has to do with the engine, too.
Status Change::Activate() {
  if (open_.activated) return {};
  open_.activated = true;
  return journal_.Write(open_);
}

Status Change::ReloadAndWait(Deadline deadline) {
  RETURN_IF_ERROR(Activate());
  const std::string since = EventTime();
  RETURN_IF_ERROR(service_.Reload());
  bool told = false;
  RETURN_IF_ERROR(engine_.Follow(std::min(deadline, DeadlineIn(kReloadPatience)),
                                 "/events?since=" + since + "&filters=" +
                                     UrlEncode(R"({"type":["daemon"],"event":["reload"]})"),
                                 [&](const json&) {
                                   told = true;
                                   return false;
                                 }));
  if (told) return {};
  return Fail(
      Code::kFailedPrecondition, "RELOAD_REFUSED",
      "the engine does not say that it has reloaded " + open_.config_file + ": its log says why");
}

Status Change::WaitForEngine(Deadline deadline) {
  for (;;) {
    const Status well = engine_.Ping(std::min(deadline, DeadlineIn(std::chrono::seconds(5))));
    if (well.ok()) return {};
    if (service_.Ended() || TimeLeft(deadline).count() == 0) {
      return Fail(Code::kUnavailable, "ENGINE_UNWELL",
                  "the engine does not come up with it: " + Message(well));
    }
    poll(nullptr, 0, kPingMs);
  }
}

// Of some, as of debug, the engine says that it has reloaded before it is done.
Status Change::WaitForSettings(Deadline deadline, const Settings& wanted) {
  const Deadline end = std::min(deadline, DeadlineIn(kReloadPatience));
  for (;;) {
    Status taken = CheckSettings(deadline, engine_, wanted);
    if (Reason(taken) != "SETTING_NOT_TAKEN" || TimeLeft(end).count() == 0) return taken;
    poll(nullptr, 0, kPingMs);
  }
}

Status Change::StopContainers(Deadline deadline) {
  if (open_.containers.empty()) return {};
  Tell("stop", std::to_string(open_.containers.size()) + " containers are stopped");
  for (const RunningContainer& container : open_.containers) {
    open_.stopped.push_back(container.id);
  }
  RETURN_IF_ERROR(journal_.Write(open_));
  for (const std::string& id : open_.stopped) {
    const Status stopped =
        engine_
            .Post(deadline,
                  "/containers/" + id + "/stop?t=" + std::to_string(kContainerStop.count()))
            .status();
    if (!stopped.ok() && stopped.code() != Code::kNotFound) return stopped;
  }
  return {};
}

Status Change::StartContainers(Deadline deadline) {
  Status first;
  for (const std::string& id : open_.stopped) {
    const Status started = engine_.Post(deadline, "/containers/" + id + "/start").status();
    if (first.ok() && started.code() != Code::kNotFound) first = started;
  }
  return first;
}

}  // namespace seaworthy::docker
