// What somebody changes in the files that a transaction left, told as it happens; and the profile
// applied again, where it asks for that.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/docker/engine_watch.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct DriftOptions {
  WatchOptions watch;  // but for `besides`
  std::string state = kHardeningState;
  // Where NAME.json of a profile is looked for; empty: kProfileFolders.
  std::string profiles;
  // Apply the profile of the last transaction again, where that was an apply and the profile says
  // `reapply`; without any consent.
  bool reapply = false;
  // But for an engine that no systemd unit runs.
  bool units_alone = false;
  // From the first difference until then: who edits a file empties it, and writes it afterwards.
  std::chrono::milliseconds settle = std::chrono::milliseconds(250);
  // Between one such apply and the next, whoever edits meanwhile.
  std::chrono::milliseconds pause = std::chrono::seconds(30);
  // HardeningOptions'.
  std::chrono::milliseconds patience = std::chrono::seconds(60);
};

// WatchEngine, with kDrift, kReapplied and kReapplyRefused among its events. A difference is told
// once, and what was undone or refused is not tried again, until the files change again. Nothing is
// compared while a transaction is under way. INTERNAL (JOURNAL_MALFORMED).
Status WatchDrift(Deadline deadline, const DriftOptions& options,
                  const std::function<bool(const EngineEvent&)>& next);

}  // namespace seaworthy::docker
