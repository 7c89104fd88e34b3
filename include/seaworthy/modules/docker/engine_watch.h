// The audit of the engine without an end: what comes to fail, and what no longer does, as it
// happens.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/docker/engine_audit.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct WatchOptions {
  std::string root = "/";  // of the system
  std::string socket = kEngineSocket;
  std::string policy;  // the text of the site's; empty: none
  // Of a burst of events the first is audited at once; then so much lies between audits, and the
  // more the longer it lasts, up to ten times what an audit takes.
  std::chrono::milliseconds pause = std::chrono::milliseconds(200);
  // An audit at least so often, for what changes without an event: accounts, modes, exceptions.
  std::chrono::milliseconds period = std::chrono::minutes(5);
  // How long an engine may say nothing before it is asked whether it is well.
  std::chrono::milliseconds silence = std::chrono::seconds(5);
  // How long it may take to answer that, and to answer all that an audit asks.
  std::chrono::milliseconds patience = std::chrono::seconds(10);
  int stop = -1;  // a descriptor: once it is readable the watch ends
  // Connect also where no dockerd of this system is to be seen: what listens there may be none. But
  // where systemd does, it starts an engine that somebody has stopped.
  bool connect_unseen = true;
  // What else is looked after, in each turn. When to be called again at the latest; nothing: it is
  // enough.
  std::function<std::optional<Deadline>()> besides;
};

struct EngineEvent {
  enum class Kind : std::uint8_t {
    kAudit,          // the first: how things stand
    kAppeared,       // fails, and did not
    kGone,           // failed, and does not
    kConfiguration,  // daemon.json, a unit of the engine or a drop-in is another on disk
    kEngineGone,     // nobody answers, or not in time; nothing is audited until it is back
    kEngineBack,
    kRestarted,  // it is another process
    // WatchDrift alone:
    kDrift,          // a file is not as the last transaction left it
    kReapplied,      // the profile was applied again
    kReapplyRefused  // or was not, and why
  };

  std::string time = {};  // "2026-11-29T06:30:00Z"
  Kind kind = Kind::kAudit;
  std::string text = {};  // a sentence
  // kAudit: how many findings there are of each outcome.
  std::map<Outcome, std::size_t> counts = {};
  std::optional<ReportedFinding> finding = {};  // kAppeared, kGone
  // kConfiguration, kDrift: the file, and what it has now; no digest: it is gone, or cannot be
  // read.
  std::string path = {};
  std::string sha256 = {};
  // kDrift: the id of the one that left the file otherwise. kReapplied, kReapplyRefused: of the one
  // that was made, with its result; empty where none was.
  std::string transaction = {};
  std::string result = {};
  std::string reason = {};  // kReapplyRefused: a stable word
};

// "audit", "appeared", "gone", "configuration", "engine-gone", "engine-back", "restarted", "drift",
// "reapplied", "reapply-refused".
std::string_view ToString(EngineEvent::Kind kind);

// Audits, then follows the engine's events and its configuration's files, and audits again, until
// the deadline or `next` returns false: Ok then. An engine that is not there is waited for, tried
// again after 5 seconds at the latest. INVALID_ARGUMENT (SITE_POLICY_MALFORMED);
// RESOURCE_EXHAUSTED where the kernel watches no more files.
Status WatchEngine(Deadline deadline, const WatchOptions& options,
                   const std::function<bool(const EngineEvent&)>& next);

// One JSON object on one line.
std::string ToJson(const EngineEvent& event);

}  // namespace seaworthy::docker
