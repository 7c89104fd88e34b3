// The table of keys and flags beside the platform's dockerd, which reads its configuration and
// ends: its log level is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>

#include "modules/docker/daemon_json.h"
#include "modules/docker/daemon_key.h"
#include "modules/docker/effective_config.h"
#include "support/program.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// All that any engine from 20.10 to 29 has had, as a key or as a flag, and what none had.
constexpr const char* kNames[] = {"allow-direct-routing",
                                  "allow-nondistributable-artifacts",
                                  "api-cors-header",
                                  "authorization-plugin",
                                  "authorization-plugins",
                                  "bip",
                                  "bip6",
                                  "bridge",
                                  "bridge-accept-fwmark",
                                  "builder",
                                  "cdi-spec-dir",
                                  "cdi-spec-dirs",
                                  "cgroup-parent",
                                  "cluster-advertise",
                                  "cluster-store",
                                  "cluster-store-opt",
                                  "cluster-store-opts",
                                  "containerd",
                                  "containerd-namespace",
                                  "containerd-plugin-namespace",
                                  "containerd-plugins-namespace",
                                  "cpu-rt-period",
                                  "cpu-rt-runtime",
                                  "cri-containerd",
                                  "data-root",
                                  "debug",
                                  "default-address-pool",
                                  "default-address-pools",
                                  "default-cgroupns-mode",
                                  "default-gateway",
                                  "default-gateway-v6",
                                  "default-init",
                                  "default-ipc-mode",
                                  "default-network-opt",
                                  "default-network-opts",
                                  "default-runtime",
                                  "default-shm-size",
                                  "default-stop-timeout",
                                  "default-ulimit",
                                  "default-ulimits",
                                  "deprecated-key-path",
                                  "dns",
                                  "dns-opt",
                                  "dns-opts",
                                  "dns-search",
                                  "exec-opt",
                                  "exec-opts",
                                  "exec-root",
                                  "experimental",
                                  "features",
                                  "firewall-backend",
                                  "fixed-cidr",
                                  "fixed-cidr-v6",
                                  "graph",
                                  "group",
                                  "host",
                                  "hosts",
                                  "host-gateway-ip",
                                  "host-gateway-ips",
                                  "http-proxy",
                                  "https-proxy",
                                  "icc",
                                  "identity",
                                  "init",
                                  "init-path",
                                  "insecure-registries",
                                  "insecure-registry",
                                  "ip",
                                  "ip-forward",
                                  "ip-forward-no-drop",
                                  "ip-masq",
                                  "ip6tables",
                                  "iptables",
                                  "ipv6",
                                  "label",
                                  "labels",
                                  "live-restore",
                                  "log-driver",
                                  "log-format",
                                  "log-level",
                                  "log-opt",
                                  "log-opts",
                                  "max-concurrent-downloads",
                                  "max-concurrent-uploads",
                                  "max-download-attempts",
                                  "metrics-addr",
                                  "min-api-version",
                                  "mtu",
                                  "network-control-plane-mtu",
                                  "network-diagnostic-port",
                                  "no-new-privileges",
                                  "no-proxy",
                                  "node-generic-resource",
                                  "node-generic-resources",
                                  "nonsense",
                                  "nri-opts",
                                  "oom-score-adjust",
                                  "pidfile",
                                  "proxies",
                                  "raw-logs",
                                  "registry-mirror",
                                  "registry-mirrors",
                                  "resolv-conf",
                                  "restart",
                                  "rootless",
                                  "runtimes",
                                  "add-runtime",
                                  "seccomp-profile",
                                  "selinux-enabled",
                                  "shutdown-timeout",
                                  "storage-driver",
                                  "storage-opt",
                                  "storage-opts",
                                  "swarm-default-advertise-addr",
                                  "swarm-raft-election-tick",
                                  "swarm-raft-heartbeat-tick",
                                  "tls",
                                  "tlscacert",
                                  "tlscert",
                                  "tlskey",
                                  "tlsverify",
                                  "userland-proxy",
                                  "userland-proxy-path",
                                  "userns-remap",
                                  "validate",
                                  "version",
                                  "ICC",
                                  "Icc"};

std::string Output(const std::string& command) {
  return seaworthy::testing::OutputOf(command + " 2>&1").text;
}

class DockerdTest : public ::testing::Test {
 protected:
  // What dockerd says of a daemon.json with this in it. It ends before it does anything, for its
  // log level is none.
  std::string Refusal(const std::string& text, const std::string& flags = "") {
    const std::string file = root_ / "daemon.json";
    std::ofstream(file) << text;
    return Output("timeout 20 dockerd --log-level=nonsense --config-file=" + file + " " + flags);
  }
  static bool IsContent(const std::string& refusal) {
    return refusal.find("logging level: nonsense") != std::string::npos;
  }
  DaemonJson Parse(const std::string& text) const {
    return ParseDaemonJson(text, version_).value();
  }

  const EngineVersion version_ = [] {
    const std::string output = Output("dockerd --version");
    return ParseEngineVersion(output.substr(output.find_first_of("0123456789"))).value();
  }();

 private:
  testing::TempRoot root_;
};

// The comma-separated names after `text`.
std::set<std::string> NamesAfter(const std::string& output, const std::string& text) {
  std::set<std::string> names;
  std::size_t at = output.find(text);
  if (at == std::string::npos) return names;
  const std::string list = output.substr(at + text.size());
  const std::regex name("[A-Za-z0-9-]+");
  for (std::sregex_iterator found(list.begin(), list.end(), name), none; found != none; ++found) {
    names.insert(found->str());
  }
  return names;
}

TEST_F(DockerdTest, UnknownKeysAreThoseOfDockerd) {
  nlohmann::json all;
  for (const char* name : kNames) all[name] = 1;
  std::set<std::string> ours;
  for (const ConfigProblem& problem : Parse(all.dump()).problems) {
    if (problem.reason != "DAEMON_JSON_UNKNOWN_KEY") continue;
    ours.insert(problem.where.substr(2, problem.where.size() - 3));  // "/name"
  }
  EXPECT_EQ(ours, NamesAfter(Refusal(all.dump()), "don't match any configuration option: "));
  EXPECT_TRUE(ours.contains("nonsense"));
}

TEST_F(DockerdTest, WhatIsFoundInObjectsIsWhatDockerdFinds) {
  nlohmann::json all;
  for (const char* name : kNames) {
    if (FindKey(name, version_) == nullptr) all["x"][name] = {{"deeper", 1}};
  }
  std::set<std::string> ours;
  for (const ConfigProblem& problem : Parse(all.dump()).problems) {
    if (problem.reason != "DAEMON_JSON_UNKNOWN_KEY") continue;
    ours.insert(problem.where.substr(4, problem.where.size() - 5));  // "/x/name"
  }
  EXPECT_EQ(ours, NamesAfter(Refusal(all.dump()), "don't match any configuration option: "));
}

nlohmann::json EmptyValue(KeyType type) {
  switch (type) {
    case KeyType::kFlag:
      return false;
    case KeyType::kText:
      return "";
    case KeyType::kNumber:
      return 1;
    case KeyType::kTexts:
    case KeyType::kObjects:
      return nlohmann::json::array();
    case KeyType::kMap:
    case KeyType::kGroup:
      break;
  }
  return nlohmann::json::object();
}

TEST_F(DockerdTest, ValuesOfOurTypesAreOfItsTypes) {
  nlohmann::json all;
  for (const char* name : kNames) {
    const DaemonKey* key = FindKey(name, version_);
    if (key != nullptr && std::string_view(name) != "log-level") all[name] = EmptyValue(key->type);
  }
  all["default-shm-size"] = "64m";  // the one that is no text for dockerd, but a size
  EXPECT_THAT(Parse(all.dump()).problems, IsEmpty());
  EXPECT_TRUE(IsContent(Refusal(all.dump()))) << Refusal(all.dump());
}

TEST_F(DockerdTest, ValuesOfOtherTypesAreRefusedByBoth) {
  for (const char* name : kNames) {
    const DaemonKey* key = FindKey(name, version_);
    if (key == nullptr || std::string_view(name) == "log-level") continue;
    SCOPED_TRACE(name);
    const nlohmann::json wrong = {
        {name, key->type == KeyType::kText ? nlohmann::json::array({1}) : nlohmann::json("x")}};
    EXPECT_EQ(Parse(wrong.dump()).problems.empty(), IsContent(Refusal(wrong.dump())))
        << Refusal(wrong.dump());
  }
}

TEST_F(DockerdTest, GoodConfigurationsAreGoodForDockerd) {
  for (const char* text :
       {"{}", R"({"icc": false, "labels": ["a=b"], "mtu": 1400, "log-opts": {"max-size": "10m"}})",
        R"({"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}}})",
        R"({"runtimes": {"x": {"path": "/bin/x", "runtimeArgs": ["--y"]}}, "group": null})",
        R"({"default-address-pools": [{"base": "10.1.0.0/16", "size": 24}]})"}) {
    EXPECT_THAT(Parse(text).problems, IsEmpty()) << text;
    EXPECT_TRUE(IsContent(Refusal(text))) << text << Refusal(text);
  }
}

TEST_F(DockerdTest, ConflictsAreThoseOfDockerd) {
  const std::string file = R"({"hosts": ["unix:///x"], "icc": true, "labels": ["a=b"],
                               "runtimes": {"x": {"path": "/bin/x"}}, "dns": ["10.0.0.1"]})";
  const std::vector<std::string> arguments = {
      "-H", "unix:///y", "--icc=false", "--label=c=d", "--add-runtime=y=/bin/y", "--dns=10.0.0.2"};
  std::string line;
  for (const std::string& argument : arguments) line += " " + argument;
  const std::string refusal = Refusal(file, line);
  const EffectiveConfig config =
      MakeEffectiveConfig(ParseEngineFlags(arguments, version_), Parse(file), version_);
  std::set<std::string> ours;
  for (const ConfigProblem& problem : config.problems) {
    EXPECT_EQ(problem.reason, "DOCKER_CONFIG_CONFLICT") << problem.text;
    ours.insert(problem.where.substr(2, problem.where.size() - 3));
  }
  EXPECT_EQ(ours, (std::set<std::string>{"hosts", "icc", "labels", "dns"}));
  EXPECT_THAT(refusal, HasSubstr("both as a flag and in the configuration file"));
  for (const std::string& name : ours) EXPECT_THAT(refusal, HasSubstr(" " + name + ": "));
  EXPECT_THAT(refusal, ::testing::Not(HasSubstr("runtimes: ")));
}

// "  -H, --host list   Daemon socket(s) to connect to"
TEST_F(DockerdTest, FlagsOfItsHelpAreKnownWithTheirLettersAndTypes) {
  const std::string help = Output("dockerd --help");
  const std::regex line(R"(\n +(?:-(\w), +)?--([a-z0-9-]+)(?: ([a-z]+))?  )");
  int seen = 0;
  for (std::sregex_iterator found(help.begin(), help.end(), line), none; found != none; ++found) {
    const std::string letter = (*found)[1];
    const std::string name = (*found)[2];
    const std::string type = (*found)[3];
    SCOPED_TRACE(name);
    const DaemonKey* flag = FindFlag(name, version_);
    ASSERT_NE(flag, nullptr);
    EXPECT_EQ(flag->letter, letter.empty() ? '\0' : letter[0]);
    EXPECT_EQ(flag->type == KeyType::kFlag, type.empty());
    EXPECT_EQ(flag->type == KeyType::kNumber, type == "int");
    ++seen;
  }
  EXPECT_GT(seen, 70);
}

}  // namespace
}  // namespace seaworthy::docker
