// A system's files in a folder, and facts that stand on them alone.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modules/docker/audit.h"
#include "support/temp_root.h"

namespace seaworthy::docker {

class SystemFiles {
 public:
  SystemFiles() : facts(*os::RootFolder::Open(root_.path())) {
    facts.process = EngineProcess();
    facts.version = nlohmann::json{{"Version", "20.10.24+dfsg1"}};
    facts.config = MakeEffectiveConfig({}, {}, {20, 10, 24});
    facts.audit_rules = AuditRules{.enabled = true, .watches = {}};
    facts.config_file.path = "/etc/docker/daemon.json";
    facts.data_root = "/var/lib/docker";
    facts.exec_root = "/var/run/docker";
    facts.socket = "/run/docker.sock";
    facts.containerd_socket = "/run/containerd/containerd.sock";
    Folder("/run");
    Link("/run", "/var/run");
  }

  void Write(const std::string& path, const std::string& text = "x", mode_t mode = 0644) {
    std::filesystem::create_directories(std::filesystem::path(At(path)).parent_path());
    std::ofstream(At(path)) << text;
    Mode(path, mode);
  }
  void Mode(const std::string& path, mode_t mode) {
    ASSERT_EQ(chmod(At(path).c_str(), mode), 0) << path;
  }
  void Folder(const std::string& path, mode_t mode = 0755) {
    std::filesystem::create_directories(At(path));
    Mode(path, mode);
  }
  void Link(const std::string& target, const std::string& path) {
    std::filesystem::create_directories(std::filesystem::path(At(path)).parent_path());
    std::filesystem::create_symlink(target, At(path));
  }
  std::string At(const std::string& path) const { return root_.path().string() + path; }

  // What a family says of one check: each finding's outcome and subject.
  using Said = std::vector<std::pair<Outcome, std::string>>;
  Said Judge(const CheckFamily& family, std::string_view check, const SitePolicy& policy = {}) {
    Findings findings;
    family.judge(facts, policy, findings);
    Said said;
    for (const Finding& finding : findings.all()) {
      if (finding.check == check) said.emplace_back(finding.outcome, finding.subject);
    }
    return said;
  }

 private:
  testing::TempRoot root_;

 public:
  Facts facts;
};

inline void ExpectSomethingOfEach(const CheckFamily& family, const Facts& facts) {
  Findings findings;
  family.judge(facts, {}, findings);
  for (const Check& check : family.checks) EXPECT_TRUE(findings.Has(check.id)) << check.id;
  for (const Finding& finding : findings.all()) {
    EXPECT_NE(finding.text, "") << finding.check;
    EXPECT_TRUE(std::ranges::any_of(family.checks, [&](const Check& check) {
      return check.id == finding.check;
    })) << finding.check;
  }
}

}  // namespace seaworthy::docker
