// The change itself, forth and back: what is written, taken over, looked at and, when anything
// fails, undone.
#pragma once

#include <chrono>
#include <string>

#include "modules/docker/hardening/course.h"
#include "modules/docker/hardening/engine_service.h"
#include "modules/docker/hardening/health.h"
#include "modules/docker/hardening/journal.h"

namespace seaworthy::docker {

class Change {
 public:
  // `journal` and `step` outlive it.
  Change(const Journal& journal, OpenTransaction open, EngineService service,
         EngineSituation situation, const HardeningOptions& options, const StepSink& step);

  // All of it; the transaction as it ended, in the history. An error only where the journal cannot
  // be written: then what is left is settled by the next one.
  Result<Transaction> Make(Deadline deadline, bool canary);

  // Undoes one that was begun by a process that is no more. Where no engine is to be waited for
  // (`patience` is none) the files alone.
  Result<Transaction> Recover();

 private:
  Result<Transaction> Undo(const Status& why);
  Status Forth(Deadline deadline, bool canary);
  Status Back();
  Status BackFiles();
  Status Travel(Deadline deadline, const Course& course, bool back);
  Status Reload(Deadline deadline);
  Status Restart(Deadline deadline);
  Status WriteConfig(const std::optional<std::string>& text);
  Status WriteOthers(bool back);
  Status Activate();
  Status ReloadAndWait(Deadline deadline);
  Status WaitForEngine(Deadline deadline);
  Status WaitForSettings(Deadline deadline, const Settings& wanted);
  Status StopContainers(Deadline deadline);
  Status StartContainers(Deadline deadline);
  Result<Transaction> End(const std::string& result, const Status& why);
  void Tell(const std::string& name, const std::string& text) const;
  ConfigTexts Texts() const { return TextsOf(open_.transaction.files, open_.config_file); }
  std::string At(const std::string& path) const { return root_ + path; }

  const Journal& journal_;
  OpenTransaction open_;
  EngineService service_;
  const EngineSituation situation_;
  const std::string root_;  // before absolute paths; empty: the system's
  const std::string proc_;
  const std::chrono::milliseconds patience_;
  EngineApi engine_;
  const StepSink& step_;
};

}  // namespace seaworthy::docker
