// The engine's configuration brought to a profile, by a transaction that never leaves the node
// without a working engine: done whole, or undone, also after a kill or a power cut.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/docker/engine_audit.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// Where profiles are looked for, NAME.json: the site's first.
inline constexpr const char* kProfileFolders[] = {"/etc/seaworthy/docker-profiles",
                                                  "/usr/share/seaworthy/docker-profiles"};
// root's alone: the journal of the transaction under way, and those that ended.
inline constexpr const char* kHardeningState = "/var/lib/seaworthy-hardener";

// What the engine needs to take a change over.
enum class Effect : std::uint8_t { kNone, kReload, kRestart };
std::string_view Name(Effect effect);  // "none", "reload", "restart"

// What nobody gets without having agreed to it by name.
enum class Consent : std::uint8_t {
  kMoveData,        // another data root: images and containers are out of sight, and stay on disk
  kStopContainers,  // running containers do not live through the restart
  kLoseAccess,      // a listener, by which somebody may be connected, goes
};
std::string_view Name(Consent consent);  // "move-data", "stop-containers", "lose-access"
// INVALID_ARGUMENT (CONSENT_UNKNOWN).
Result<Consent> ParseConsent(std::string_view name);

struct SettingChange {
  std::string key;     // of daemon.json
  std::string before;  // JSON, as it counts now; empty: nobody says, and it has no default
  std::string origin;  // of `before`: "default", "file", "command-line"; "engine": its file says
                       // another by now, and it has not taken that over
  std::string after;   // JSON
  Effect effect = Effect::kNone;
  std::string why;  // the profile's sentence
};

// A setting of the profile that is left alone, and why: this version of the engine has no such key,
// the host has no SELinux, the engine is in a swarm.
struct SkippedSetting {
  std::string key;
  std::string why;
};

struct NeededConsent {
  Consent consent = Consent::kMoveData;
  std::string why;
};

// A file that the transaction replaces: daemon.json, a drop-in of the engine's unit.
struct FileChange {
  std::string path;                   // absolute
  std::optional<std::string> before;  // nothing: there was none
  std::optional<std::string> after;   // nothing: is removed
};

struct Plan {
  std::string profile;
  std::string socket;  // of the engine
  std::string engine;  // its version
  std::vector<SettingChange> changes;
  std::vector<SkippedSetting> skipped;
  std::vector<NeededConsent> consents;
  std::vector<std::string> warnings;
  std::vector<FileChange> files;  // none: the engine stands as the profile wants it
  Effect effect = Effect::kNone;  // the strongest of the changes'
  bool canary = false;            // the profile asks for one
  std::string digest;             // hex SHA-256 of all the above
};

struct HardeningOptions {
  std::string root = "/";  // of the system; other folders here are within it
  std::string socket = kEngineSocket;
  std::string state = kHardeningState;
  // JSON, when given: then no profile is looked for by name.
  std::string profile_text;
  std::string profile = "standard";
  // Where NAME.json is looked for; empty: kProfileFolders.
  std::string profiles;
  std::set<Consent> consents;
  // Refuse any other plan than the one that somebody has seen; empty: take what comes.
  std::string digest;
  // Start a container of our own after the change and look at it; nothing: as the profile says.
  std::optional<bool> canary;
  // How long the engine may take from a reload or restart until it is healthy.
  std::chrono::milliseconds patience = std::chrono::seconds(60);
};

// One of the steps of a transaction, as it begins: "prepare", "write", "reload", "restart",
// "check", "canary", "restore", "done".
struct HardeningStep {
  std::string name;
  std::string text;  // a sentence
};
using StepSink = std::function<void(const HardeningStep&)>;

// A transaction, as it is kept.
struct Transaction {
  std::string id;      // sorts by time: "20261129T101500.123456Z-1f2e3d4c"
  std::string kind;    // "apply", "roll-back"
  std::string undoes;  // of a roll-back: the id of the transaction whose files it brings back
  std::string profile;
  std::string engine;
  std::string begun;  // "2026-11-29T10:15:00Z"
  std::string ended;  // empty: under way
  // "applied", "restored": undone after it failed; "unchanged": there was nothing to do;
  // "broken": undone, and the engine is not well even so. Empty: under way.
  std::string result;
  std::string reason;   // why it was not applied: a stable word
  std::string problem;  // and a sentence
  std::vector<FileChange> files;
};

// What would be done. Changes nothing. FAILED_PRECONDITION, NOT_FOUND or INVALID_ARGUMENT with a
// reason where nothing can be done: PROFILE_MALFORMED, PROFILE_ABSENT, DAEMON_JSON_MALFORMED,
// DAEMON_JSON_NESTED, DAEMON_JSON_UNSAFE, DOCKER_CONFIG_CONFLICT, ENGINE_ABSENT, ENGINE_ROOTLESS...
Result<Plan> PlanHardening(Deadline deadline, const HardeningOptions& options);

// Does what PlanHardening says, and undoes it when the engine is not well with it; both are a
// Transaction. What an earlier one left under way is settled first. An error: nothing was changed.
// FAILED_PRECONDITION (CONSENT_NEEDED), ABORTED (PLAN_CHANGED), UNAVAILABLE (HARDENING_BUSY) while
// another process is at it, and those of PlanHardening.
Result<Transaction> ApplyHardening(Deadline deadline, const HardeningOptions& options,
                                   const StepSink& step);

// Brings back what was there before the transaction `id` was applied; empty: before the last one
// that is applied and not rolled back. A transaction itself. NOT_FOUND (TRANSACTION_UNKNOWN);
// ABORTED (FILES_CHANGED) where the files are no longer as that transaction left them.
Result<Transaction> RollBackHardening(Deadline deadline, const HardeningOptions& options,
                                      const std::string& id, const StepSink& step);

// The newest first.
Result<std::vector<Transaction>> HardeningHistory(const std::string& state);

// Settles what a killed process or a power cut left: nothing where there was nothing. Restores the
// files, and has an engine that runs take them over. With no `patience` the files alone: at boot no
// engine runs yet.
Result<std::optional<Transaction>> RecoverHardening(const HardeningOptions& options);

// One JSON object each, on one line: names are those of the API's messages.
std::string ToJson(const Plan& plan);
std::string ToJson(const HardeningStep& step);
std::string ToJson(const Transaction& transaction);
// INTERNAL (JOURNAL_MALFORMED).
Result<Transaction> ParseTransaction(std::string_view text);

}  // namespace seaworthy::docker
