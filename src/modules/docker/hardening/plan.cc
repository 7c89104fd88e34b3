#include "modules/docker/hardening/plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "modules/docker/engine_json.h"
#include "modules/docker/hardening/clashes.h"
#include "modules/docker/hardening/configured_engine.h"
#include "modules/docker/hardening/consequences.h"
#include "modules/docker/hardening/engine_command.h"
#include "modules/docker/hardening/engine_limits.h"
#include "modules/docker/hardening/log_options.h"
#include "modules/docker/hardening/merge.h"
#include "modules/docker/hardening/roots_file.h"
#include "modules/docker/judge_swarm.h"
#include "modules/docker/running_config.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDropIn = std::size_t{1} << 20;
constexpr std::string_view kEnforcing = "sys/fs/selinux/enforce";
constexpr std::string_view kJournal = "run/systemd/journal/socket";

// Compact, one line.
std::string Dump(const json& value) {
  return value.is_null() ? "" : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

class Drafting {
 public:
  Drafting(const Profile& profile, const Facts& facts, const std::string& unit,
           ConfiguredEngine engine)
      : profile_(profile),
        facts_(facts),
        unit_(unit),
        engine_(std::move(engine)),
        file_(engine_.file.file) {
    plan_.profile = profile.name;
    plan_.socket = facts.socket;
    plan_.engine = Text(At(*facts.version, {"Version"}));
    plan_.canary = profile.canary;
  }

  Result<Plan> Make() {
    for (const ProfileSetting& setting : profile_.settings) Take(setting);
    LeaveNoForeignLogOptions();
    if (engine_.wrong_mode) {
      plan_.warnings.push_back(engine_.path + ": its mode has more than 0644 and is put right");
    }
    if (!plan_.changes.empty()) RETURN_IF_ERROR(Finish());
    if (plan_.files.empty() && engine_.wrong_mode) {
      plan_.files.push_back({engine_.path, engine_.text, engine_.text});
    }
    Seal(plan_);
    if (plan_.digest.empty()) {
      return Fail(Code::kInternal, "NO_DIGEST", "libcrypto makes no SHA-256");
    }
    return std::move(plan_);
  }

 private:
  bool IsThere(std::string_view path) const {
    const Result<std::optional<std::string>> found = facts_.root.Canonical(std::string(path));
    return found.ok() && found->has_value();
  }
  bool IsForThisVersion(const ProfileSetting& setting) const {
    return FindKey(setting.key, engine_.version) != nullptr && setting.since <= engine_.version &&
           engine_.version < setting.until;
  }

  // Empty: it holds.
  std::string LacksCondition(const ProfileSetting& setting) const {
    if (setting.only == "selinux" && !IsThere(kEnforcing)) return "the host has no SELinux";
    if (setting.only == "selinux" && !facts_.selinux_missing.empty()) return facts_.selinux_missing;
    if (setting.only == "no-swarm" && InSwarm(facts_)) return "the engine is in a swarm";
    if (setting.only == "journald" && !IsThere(kJournal)) return "the host has no journal";
    if (setting.only == "raise-limits" && !MayRaiseLimits(facts_)) {
      return "the engine may not give containers more than it has (CAP_SYS_RESOURCE)";
    }
    if (setting.only == "local-logs") {
      const std::string driver = LogDriver();
      if (driver != "json-file" && driver != "local") {
        return "logs of containers go to " + driver + ", which the engine does not rotate";
      }
    }
    return "";
  }

  // Which the engine is to have.
  std::string LogDriver() const {
    for (const ProfileSetting& setting : profile_.settings) {
      if (setting.key == "log-driver" && IsForThisVersion(setting) &&
          LacksCondition(setting).empty()) {
        return Text(setting.value);
      }
    }
    return Text(engine_.config.Value("log-driver"));
  }

  std::string WhyNot(const ProfileSetting& setting) const {
    const DaemonKey* const key = FindKey(setting.key, engine_.version);
    const std::string engine = "engine " + ToText(engine_.version);
    if (key == nullptr) return engine + " has no such key";
    if (engine_.version < setting.since) {
      return "for engines from " + ToText(setting.since) + " on, and this is " + engine;
    }
    if (engine_.version >= setting.until) {
      return "for engines before " + ToText(setting.until) + ", and this is " + engine;
    }
    return LacksCondition(setting);
  }

  void Take(const ProfileSetting& setting) {
    const std::string why_not = WhyNot(setting);
    if (!why_not.empty()) {
      // Of a key that the profile has for each engine in its own way only one is of interest.
      const bool other = std::ranges::any_of(profile_.settings, [&](const ProfileSetting& any) {
        return &any != &setting && any.key == setting.key && IsForThisVersion(any);
      });
      if (!other) plan_.skipped.push_back({setting.key, why_not});
      return;
    }
    const DaemonKey& key = *FindKey(setting.key, engine_.version);
    const json current = CurrentValue(key, engine_.flags, engine_.file, engine_.config);
    Change(key, current, Merge(key, current, setting.value), setting.why);
  }

  // Options of the driver of before, which the new one refuses: no container would start.
  void LeaveNoForeignLogOptions() {
    const std::string driver = LogDriver();
    const DaemonKey& key = *FindKey("log-opts", engine_.version);
    const json before = CurrentValue(key, engine_.flags, engine_.file, engine_.config);
    const bool ours = std::ranges::any_of(plan_.changes, [](const SettingChange& change) {
      return change.key == "log-opts" || change.key == "log-driver";
    });
    if (!ours || !before.is_object()) return;
    json after = file_.contains("log-opts") ? file_["log-opts"] : before;
    std::vector<std::string> gone;
    for (const auto& [name, value] : before.items()) {
      if (TakesLogOption(driver, name) || IsWantedLogOption(name)) continue;
      // Another's option of a driver that stays, and is not known here.
      if (!KnowsLogDriver(driver) && driver == Text(engine_.config.Value("log-driver"))) continue;
      after.erase(name);
      gone.push_back(name);
    }
    if (gone.empty()) return;
    plan_.warnings.push_back("log-opts: " + Join(gone) + " is left out: the log driver " + driver +
                             " does not take it, and no container would start");
    std::erase_if(plan_.changes,
                  [](const SettingChange& change) { return change.key == "log-opts"; });
    Change(key, before, after, "What the log driver " + driver + " takes.");
  }

  bool IsWantedLogOption(const std::string& name) const {
    return std::ranges::any_of(profile_.settings, [&](const ProfileSetting& setting) {
      return setting.key == "log-opts" && WhyNot(setting).empty() && setting.value.contains(name);
    });
  }

  std::vector<std::string> FlagsThatSay(const DaemonKey& key) const {
    std::vector<std::string> flags = FlagsOf(key);
    std::erase_if(flags, [&](const std::string& flag) { return !engine_.flags.has(flag); });
    return flags;
  }

  void Change(const DaemonKey& key, const json& current, const json& after,
              const std::string& why) {
    const std::string name(key.name);
    // What the engine has not taken over yet, or never will.
    const json& runs = RunningValue(facts_, name);
    const bool as_said = runs.is_null() || runs == current;
    if (current == after && as_said) return;
    const std::vector<std::string> flags = FlagsThatSay(key);
    const Origin origin = OriginOf(key, engine_.config);
    SettingChange change;
    change.key = name;
    change.before = Dump(as_said ? current : runs);
    change.after = Dump(after);
    change.why = why;
    if (!as_said) {
      change.origin = "engine";
    } else if (!flags.empty() || origin == Origin::kCommandLine) {
      change.origin = "command-line";
    } else {
      change.origin = origin == Origin::kFile ? "file" : "default";
    }
    const bool another_store = name == "features" && At(current, {"containerd-snapshotter"}) !=
                                                         At(after, {"containerd-snapshotter"});
    change.effect =
        key.reloadable && flags.empty() && !another_store ? Effect::kReload : Effect::kRestart;
    gone_flags_.insert(flags.begin(), flags.end());
    file_[name] = after;
    plan_.effect = std::max(plan_.effect, change.effect);
    plan_.changes.push_back(std::move(change));
  }

  // What is to be is read as the engine will read it, and then judged.
  Status Finish() {
    // A reload asks no plugins that a flag names; there may be one before each restart.
    if (engine_.flags.has("authorization-plugin")) {
      return Fail(Code::kFailedPrecondition, "ENGINE_FLAG",
                  "--authorization-plugin is on the engine's command line: a reload would have it "
                  "ask no plugin any more; write authorization-plugins into " +
                      engine_.path + " first");
    }
    const std::string changed = ChangedSinceStart(facts_);
    if (!changed.empty()) plan_.warnings.push_back(changed + ": all of it is taken over");
    for (const ConfigProblem& problem : engine_.config.problems) {
      plan_.warnings.push_back(engine_.path + ": " + problem.where + ": " + problem.text);
    }
    ConfiguredEngine after = engine_;
    RETURN_IF_ERROR(ChangeFlags(after));
    RETURN_IF_ERROR(ChangeFile(after));
    after.config = MakeEffectiveConfig(after.flags, after.file, after.version);
    for (const ConfigProblem& problem : after.config.problems) {
      if (problem.reason == "DAEMON_JSON_NO_KEY") continue;
      return Fail(Code::kFailedPrecondition, problem.reason,
                  "the profile makes " + engine_.path +
                      " one that the engine does not take: " + problem.where + ": " + problem.text);
    }
    RETURN_IF_ERROR(CheckClashes(facts_, after));
    TellConsequences(facts_, engine_, after, plan_);
    return {};
  }

  Status ChangeFlags(ConfiguredEngine& after) {
    if (gone_flags_.empty()) return {};
    std::set<std::string> shown;
    for (const std::string& flag : gone_flags_) shown.insert("--" + flag);
    const std::string flags = Join(shown);
    if (unit_.empty() || unit_.find('/') != std::string::npos) {
      return Fail(Code::kFailedPrecondition, "ENGINE_FLAG",
                  flags +
                      " is on the engine's command line, which is no systemd unit's: take it "
                      "from there first");
    }
    ASSIGN_OR_RETURN(const std::optional<std::string> later, FindLaterDropIn(facts_.root, unit_));
    if (later) {
      return Fail(Code::kFailedPrecondition, "ENGINE_FLAG",
                  *later + " has an ExecStart= that comes after Seaworthy's: take " + flags +
                      " out of it first");
    }
    const std::vector<std::string> arguments =
        WithoutFlags(facts_.process->arguments, engine_.version, gone_flags_);
    after.flags = ParseEngineFlags(arguments, engine_.version);
    ASSIGN_OR_RETURN(const std::string text, MakeDropIn(facts_.process->executable, arguments));
    FileChange drop_in{.path = DropInPath(unit_), .before = std::nullopt, .after = text};
    ASSIGN_OR_RETURN(const std::optional<os::Place> place,
                     FindRootsFile(facts_.root, drop_in.path, "DROP_IN_UNSAFE"));
    if (place) {
      ASSIGN_OR_RETURN(drop_in.before,
                       ReadRootsFile(*place, drop_in.path, kMaxDropIn, "DROP_IN_UNSAFE"));
    }
    plan_.warnings.push_back(drop_in.path +
                             " is from now on the engine's whole command line: what " + unit_ +
                             " and its variables say of it no longer counts");
    plan_.files.push_back(std::move(drop_in));
    return {};
  }

  Status ChangeFile(ConfiguredEngine& after) {
    // Nothing of it changes where the engine has but not taken it over.
    const bool same = engine_.text && file_ == engine_.file.file;
    const std::string text =
        same ? *engine_.text : WriteDaemonJson(file_, engine_.text.value_or(""));
    Result<DaemonJson> parsed = ParseDaemonJson(text, engine_.version);
    if (!parsed.ok()) return Wrap(parsed.status(), "what would be " + engine_.path);
    if (parsed->file != file_) {
      return Fail(Code::kFailedPrecondition, "ENGINE_FLAG",
                  "what is on the engine's command line is no text that daemon.json can say");
    }
    after.file = *std::move(parsed);
    after.text = text;
    plan_.files.push_back({engine_.path, engine_.text, text});
    return {};
  }

  const Profile& profile_;
  const Facts& facts_;
  const std::string& unit_;
  const ConfiguredEngine engine_;
  json file_;
  std::set<std::string, std::less<>> gone_flags_;
  Plan plan_;
};

}  // namespace

Result<Plan> MakePlan(const Profile& profile, const Facts& facts, const std::string& unit) {
  ASSIGN_OR_RETURN(ConfiguredEngine engine, ReadConfiguredEngine(facts));
  return Drafting(profile, facts, unit, std::move(engine)).Make();
}

}  // namespace seaworthy::docker
