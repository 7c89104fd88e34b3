// The privileged side: what seaworthy-hardener does.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// What does not come with a request, for who asks may have been taken over.
struct HardenerOptions {
  std::string root = "/";  // of the system
  std::string socket = kEngineSocket;
  std::string state = kHardeningState;
  // Where NAME.json of a profile is looked for; empty: kProfileFolders.
  std::string profiles;
  std::string site_policy = kSitePolicyFile;
  // An engine that no systemd unit runs is not changed: it would have to be started again as a
  // process of ours, in our sandbox, and end with us.
  bool units_alone = false;
  // Is called where a request is to watch, which has no end of its own.
  std::function<void()> watching;
};

// Reads one request from the socket, does it and answers; waits no longer than `patience` for the
// request, nor for an answer to be taken. A transaction is gone through with also when nobody
// listens any more; a watch ends when the other side does. Returns what it answered, or why it
// could not.
Status ServeHardenerRequest(int socket, const HardenerOptions& options,
                            std::chrono::milliseconds patience);

// RecoverHardening, with what it did in the log. One that is under way in another process is left
// alone. Without `patience` no engine is waited for, nor started: at boot systemd will.
Status RecoverWithHardener(const HardenerOptions& options, std::chrono::milliseconds patience);

// WatchDrift, each event in the log, with the profile applied again where it asks for that; until
// `stop` is readable.
Status WatchWithHardener(const HardenerOptions& options, int stop);

}  // namespace seaworthy::docker
