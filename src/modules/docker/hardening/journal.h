// What was begun and what ended, on disk: current.json is the transaction under way, history/ those
// that ended. One is over when it is in the history, whatever else is there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "modules/docker/hardening/engine_service.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

struct RunningContainer {
  std::string id;
  std::string name;
  pid_t pid = 0;
};

// All that undoing it takes, by another process.
struct OpenTransaction {
  Transaction transaction;
  nlohmann::json engine;    // EngineService's
  std::string config_file;  // path of daemon.json
  bool swarm = false;
  Effect effect = Effect::kNone;  // at least, whatever the files say
  // The engine may have taken something over.
  bool activated = false;
  std::vector<RunningContainer> containers;  // before it began
  std::vector<std::string> stopped;          // those of them that it stops
};

class Journal {
 public:
  // Makes the folder. UNAVAILABLE (HARDENING_BUSY) while another process has it.
  static Result<Journal> Open(const std::string& folder);

  // Nothing when none is under way. INTERNAL (JOURNAL_MALFORMED).
  Result<std::optional<OpenTransaction>> Current() const;
  // Before anything is changed, and again as it goes on.
  Status Write(const OpenTransaction& open) const;
  // It is over, and of the history only the newest are kept.
  Status End(const Transaction& transaction) const;
  // It never began.
  Status Forget() const;

 private:
  Journal(UniqueFd lock, Directory folder) : lock_(std::move(lock)), folder_(std::move(folder)) {}

  UniqueFd lock_;
  Directory folder_;
};

// Whether one is under way, or was killed and is not settled yet. Takes no lock, which would keep
// another process from beginning one.
bool IsUnderWay(const std::string& folder);

// The newest first; none where nobody ever hardened.
Result<std::vector<Transaction>> ReadHistory(const std::string& folder);

}  // namespace seaworthy::docker
