// An engine as it would be found on a node whose files are in a folder, and profiles for it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "modules/docker/hardening/plan.h"
#include "support/status_matchers.h"
#include "system_files.h"

namespace seaworthy::docker {

class PlanFixture : public ::testing::Test {
 protected:
  PlanFixture() {
    facts().process->executable = "/usr/sbin/dockerd";
    facts().process->working_directory = "/";
    facts().info = nlohmann::json{
        {"Swarm", {{"LocalNodeState", "inactive"}, {"ControlAvailable", false}}},
        {"LiveRestoreEnabled", false},
        {"Debug", false},
        {"ExperimentalBuild", false},
        {"LoggingDriver", "json-file"},
        {"Runtimes", {{"runc", {{"path", "runc"}}}}},
        {"Plugins", {{"Log", {"json-file", "local", "journald", "syslog", "fluentd"}}}}};
    facts().containers = std::vector<nlohmann::json>();
    files_.Folder("/etc/docker");
  }
  Facts& facts() { return files_.facts; }
  nlohmann::json& info() { return *facts().info; }

  void Engine(const std::string& version) { (*facts().version)["Version"] = version; }
  void Flags(std::vector<std::string> arguments) {
    facts().process->arguments = std::move(arguments);
  }
  void DaemonJson(const std::string& text) { files_.Write(kFile, text); }
  void Container(nlohmann::json host = nlohmann::json::object()) {
    facts().containers->push_back(
        {{"Name", "/one"}, {"State", {{"Running", true}}}, {"HostConfig", std::move(host)}});
  }

  // `settings` as {"key": value}, each with the profile's condition where it has one.
  static Profile ProfileOf(const nlohmann::json& settings, const std::string& only = "") {
    Profile profile;
    profile.name = "site";
    for (const auto& [key, value] : settings.items()) {
      ProfileSetting setting;
      setting.key = key;
      setting.value = value;
      setting.why = "why " + key;
      setting.only = only;
      profile.settings.push_back(std::move(setting));
    }
    return profile;
  }
  Result<Plan> TryPlan(const nlohmann::json& settings, const std::string& unit = "docker.service") {
    return MakePlan(ProfileOf(settings), facts(), unit);
  }
  Plan PlanOf(const Profile& profile, const std::string& unit = "docker.service") {
    Result<Plan> plan = MakePlan(profile, facts(), unit);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *std::move(plan) : Plan();
  }
  Plan PlanFor(const nlohmann::json& settings, const std::string& unit = "docker.service") {
    return PlanOf(ProfileOf(settings), unit);
  }

  // What daemon.json is to be; nothing where it is not touched.
  static std::optional<nlohmann::json> NewFile(const Plan& plan) {
    for (const FileChange& change : plan.files) {
      if (change.path == kFile && change.after) return nlohmann::json::parse(*change.after);
    }
    return std::nullopt;
  }
  static const SettingChange* ChangeOf(const Plan& plan, std::string_view key) {
    const auto found = std::ranges::find(plan.changes, key, &SettingChange::key);
    return found == plan.changes.end() ? nullptr : &*found;
  }
  static std::vector<Consent> ConsentsOf(const Plan& plan) {
    std::vector<Consent> consents;
    for (const NeededConsent& needed : plan.consents) {
      EXPECT_NE(needed.why, "");
      consents.push_back(needed.consent);
    }
    return consents;
  }
  static auto Refused(std::string_view reason) {
    return seaworthy::testing::Fails(Code::kFailedPrecondition, reason);
  }

  static constexpr const char* kFile = "/etc/docker/daemon.json";
  SystemFiles files_;
};

}  // namespace seaworthy::docker
