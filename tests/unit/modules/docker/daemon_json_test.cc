#include "modules/docker/daemon_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::Fails;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr EngineVersion k20_10 = {20, 10, 24};
constexpr EngineVersion k28_5 = {28, 5, 2};

DaemonJson Parse(std::string_view text, const EngineVersion& version = k20_10) {
  Result<DaemonJson> parsed = ParseDaemonJson(text, version);
  EXPECT_TRUE(parsed.ok()) << parsed.status() << text;
  return parsed.ok() ? *std::move(parsed) : DaemonJson();
}

// "REASON where" of each problem.
std::vector<std::string> ProblemsOf(std::string_view text, const EngineVersion& version = k20_10) {
  std::vector<std::string> problems;
  for (const ConfigProblem& problem : Parse(text, version).problems) {
    problems.push_back(problem.reason + " " + problem.where);
    EXPECT_FALSE(problem.text.empty());
  }
  return problems;
}

TEST(DaemonJson, SettingsOfEachType) {
  const DaemonJson parsed = Parse(R"({
    "icc": false, "log-driver": "journald", "mtu": 1400, "hosts": ["unix:///run/docker.sock"],
    "default-address-pools": [{"base": "10.1.0.0/16", "size": 24}],
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}}, "group": null})");
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_THAT(parsed.settings, SizeIs(6));
  EXPECT_EQ(parsed.settings.at("icc"), false);
  EXPECT_EQ(parsed.settings.at("default-ulimits")["nofile"]["Hard"], 128);
  EXPECT_EQ(parsed.file.size(), 7U);
}

TEST(DaemonJson, WhatParsersReadInDifferentWaysIsRefused) {
  const std::string nul = std::string(R"({"group": "a)") + "\\u0000" + R"("})";
  const std::string deep(100, '[');
  for (const std::string& text :
       {std::string(R"({"icc": true, "icc": false})"), std::string("\xef\xbb\xbf{}"),
        std::string("{} // none"), std::string("{/* none */}"), std::string(R"({"icc": true,})"),
        std::string("[]"), std::string("true"), std::string("{} {}"), nul,
        std::string("{\"group\": \"a\0b\"}", 16), std::string("{\"group\": \"\xff\"}"),
        R"({"x": )" + deep, std::string(R"({"labels": {"a": 1, "a": 2}})")}) {
    EXPECT_THAT(ParseDaemonJson(text, k28_5),
                Fails(Code::kInvalidArgument, "DAEMON_JSON_MALFORMED"))
        << text;
  }
  const std::string large = R"({"group": ")" + std::string(10 << 20, 'a') + R"("})";
  EXPECT_THAT(ParseDaemonJson(large, k28_5),
              Fails(Code::kInvalidArgument, "DAEMON_JSON_MALFORMED"));
}

TEST(DaemonJson, EmptyFileIsForNewerEnginesAlone) {
  for (const char* text : {"", " \n\t"}) {
    EXPECT_THAT(ProblemsOf(text, k20_10), ElementsAre("DAEMON_JSON_EMPTY /"));
    EXPECT_THAT(ProblemsOf(text, k28_5), IsEmpty());
  }
  EXPECT_THAT(ProblemsOf("{}", k20_10), IsEmpty());
}

TEST(DaemonJson, KeysOfOtherVersionsAreUnknown) {
  constexpr std::string_view kProxies = R"({"proxies": {"https-proxy": "http://127.0.0.1:1"}})";
  EXPECT_THAT(ProblemsOf(kProxies),
              ElementsAre("DAEMON_JSON_UNKNOWN_KEY \"/proxies/https-proxy\""));
  EXPECT_THAT(ProblemsOf(kProxies, k28_5), IsEmpty());
  EXPECT_EQ(Parse(kProxies, k28_5).settings.at("https-proxy"), "http://127.0.0.1:1");
  EXPECT_THAT(ProblemsOf(R"({"allow-direct-routing": false})", {28, 1, 1}),
              ElementsAre("DAEMON_JSON_UNKNOWN_KEY \"/allow-direct-routing\""));
  EXPECT_THAT(ProblemsOf(R"({"allow-direct-routing": false})", {28, 2, 0}), IsEmpty());
  EXPECT_THAT(ProblemsOf(R"({"api-cors-header": "*"})", k28_5),
              ElementsAre("DAEMON_JSON_UNKNOWN_KEY \"/api-cors-header\""));
  EXPECT_THAT(ProblemsOf(R"({"ICC": false})"), ElementsAre("DAEMON_JSON_UNKNOWN_KEY \"/ICC\""));
}

TEST(DaemonJson, WrongTypesAreTold) {
  EXPECT_THAT(ProblemsOf(R"({"icc": "false"})"), ElementsAre("DAEMON_JSON_WRONG_TYPE \"/icc\""));
  EXPECT_THAT(ProblemsOf(R"({"hosts": "unix:///x"})"),
              ElementsAre("DAEMON_JSON_WRONG_TYPE \"/hosts\""));
  EXPECT_THAT(ProblemsOf(R"({"hosts": [1]})"), ElementsAre("DAEMON_JSON_WRONG_TYPE \"/hosts\""));
  EXPECT_THAT(ProblemsOf(R"({"icc": {"a": true}})"),
              ElementsAre("DAEMON_JSON_WRONG_TYPE \"/icc\""));
}

// A setting hidden from whoever reads the top level alone.
TEST(DaemonJson, NestedSettingsAreFound) {
  const DaemonJson parsed = Parse(R"({"x": {"no-new-privileges": true, "group": "all"}})");
  EXPECT_EQ(parsed.settings.at("no-new-privileges"), true);
  EXPECT_FALSE(parsed.settings.contains("group"));
  EXPECT_THAT(
      ProblemsOf(R"({"x": {"no-new-privileges": true, "group": "all", "y": 1}})"),
      ElementsAre("DAEMON_JSON_NESTED \"/x/group\"", "DAEMON_JSON_NESTED \"/x/no-new-privileges\"",
                  "DAEMON_JSON_UNKNOWN_KEY \"/x/y\""));
  EXPECT_THAT(ProblemsOf(R"({"x": {}})"), ElementsAre("DAEMON_JSON_NESTED \"/x\""));
  // A new key, which the engine of this version takes for an object with keys of its own.
  EXPECT_THAT(ProblemsOf(R"({"default-network-opts": {"bridge": {"a": "b"}}})"),
              ElementsAre("DAEMON_JSON_NESTED \"/default-network-opts/bridge\""));
  EXPECT_THAT(ProblemsOf(R"({"default-network-opts": {"bridge": {"a": "b"}}})", k28_5), IsEmpty());
  EXPECT_THAT(ProblemsOf(R"({"proxies": {"icc": true}})", k28_5),
              ElementsAre("DAEMON_JSON_NESTED \"/proxies/icc\""));
}

TEST(DaemonJson, NamesOfFlagsAreNoKeys) {
  const DaemonJson parsed = Parse(R"({"host": ["tcp://0.0.0.0:2375"]})");
  ASSERT_THAT(parsed.problems, SizeIs(1));
  EXPECT_EQ(parsed.problems[0].reason, "DAEMON_JSON_NO_KEY");
  EXPECT_THAT(parsed.problems[0].text, HasSubstr("\"hosts\""));
  EXPECT_THAT(parsed.settings, IsEmpty());
  EXPECT_THAT(ProblemsOf(R"({"http-proxy": "http://x"})", k28_5),
              ElementsAre("DAEMON_JSON_NO_KEY \"/http-proxy\""));
}

}  // namespace
}  // namespace seaworthy::docker
