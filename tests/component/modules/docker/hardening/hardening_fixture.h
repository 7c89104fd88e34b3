// An engine of its own with a container, and what is asked about both after they were hardened.
#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "component/modules/docker/engine_fixture.h"
#include "modules/docker/hardening/health.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

class HardeningTest : public ::testing::Test {
 protected:
  explicit HardeningTest(const std::string& daemon_json = R"({"labels": ["site=north"]})")
      : engine_(daemon_json, {"--iptables=false"}) {}

  void StartContainer() {
    engine_.ImportBusybox();
    engine_.Run("kept");
    containers_ = Containers();
    ASSERT_THAT(containers_, ::testing::SizeIs(1));
  }

  HardeningOptions Options(const std::string& settings) const {
    HardeningOptions options;
    options.socket = engine_.socket();
    options.state = state();
    options.profile_text = Profile(settings);
    options.patience = std::chrono::seconds(30);
    return options;
  }

  static std::string Profile(const std::string& settings) {
    return R"({"name": "trial", "description": "What a test wants.", "settings": [)" + settings +
           "]}";
  }

  // `value` is JSON.
  static std::string Setting(const std::string& key, const std::string& value) {
    return R"({"key": ")" + key + R"(", "value": )" + value + R"(, "why": "The test wants it."})";
  }

  Result<Transaction> Apply(const HardeningOptions& options, const StepSink& more = {}) {
    steps_.clear();
    return ApplyHardening(PrivateEngine::Soon(), options, [&](const HardeningStep& step) {
      steps_.push_back(step.name);
      if (more) more(step);
    });
  }

  std::vector<RunningContainer> Containers() {
    const Facts facts = engine_.facts();
    EXPECT_TRUE(facts.containers.ok()) << facts.containers.status();
    return facts.containers.ok() ? RunningContainers(*facts.containers)
                                 : std::vector<RunningContainer>();
  }

  // The container has not noticed anything.
  void ExpectKept() {
    const Status kept = CheckContainers(PrivateEngine::Soon(), engine_.api(), containers_);
    EXPECT_TRUE(kept.ok()) << kept;
  }

  nlohmann::json Info() {
    const auto info = engine_.api().Get(PrivateEngine::Soon(), "/info");
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? *info : nlohmann::json();
  }

  std::optional<std::string> ConfigText() const {
    std::ifstream file(engine_.config());
    if (!file) return std::nullopt;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  nlohmann::json Config() const { return nlohmann::json::parse(ConfigText().value_or("null")); }

  std::vector<Transaction> History() const {
    const auto history = HardeningHistory(state());
    EXPECT_TRUE(history.ok()) << history.status();
    return history.ok() ? *history : std::vector<Transaction>();
  }

  std::string state() const { return engine_.root() / "state"; }

  PrivateEngine engine_;
  std::vector<RunningContainer> containers_;
  std::vector<std::string> steps_;
};

}  // namespace seaworthy::docker
