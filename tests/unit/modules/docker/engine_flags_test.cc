#include "modules/docker/engine_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr EngineVersion k20_10 = {20, 10, 24};

EngineFlags Parse(const std::vector<std::string>& arguments) {
  return ParseEngineFlags(arguments, k20_10);
}

std::vector<std::string> ReasonsOf(const std::vector<std::string>& arguments) {
  std::vector<std::string> reasons;
  for (const ConfigProblem& problem : Parse(arguments).problems) reasons.push_back(problem.reason);
  return reasons;
}

TEST(EngineFlags, InEachForm) {
  const EngineFlags flags = Parse({"-H", "fd://", "-Hunix:///a", "-H=unix:///b", "--host",
                                   "unix:///c", "--host=unix:///d", "--iptables=false", "--icc",
                                   "-D", "-l", "warn", "--data-root", "/d", "--label=a=b"});
  EXPECT_THAT(flags.problems, IsEmpty());
  EXPECT_THAT(flags.values.at("host"),
              ElementsAre("fd://", "unix:///a", "unix:///b", "unix:///c", "unix:///d"));
  EXPECT_THAT(flags.values.at("iptables"), ElementsAre("false"));
  EXPECT_THAT(flags.values.at("icc"), ElementsAre("true"));
  EXPECT_THAT(flags.values.at("debug"), ElementsAre("true"));
  EXPECT_THAT(flags.values.at("log-level"), ElementsAre("warn"));
  EXPECT_THAT(flags.values.at("data-root"), ElementsAre("/d"));
  EXPECT_THAT(flags.values.at("label"), ElementsAre("a=b"));
}

TEST(EngineFlags, LettersTogether) {
  const EngineFlags flags = Parse({"-DH", "fd://"});
  EXPECT_TRUE(flags.has("debug"));
  EXPECT_THAT(flags.values.at("host"), ElementsAre("fd://"));
}

TEST(EngineFlags, TheLastOneCountsOfWhatIsOneValue) {
  EXPECT_THAT(Parse({"--data-root=/a", "--data-root=/b"}).values.at("data-root"),
              ElementsAre("/b"));
}

TEST(EngineFlags, WhereDaemonJsonIs) {
  EXPECT_EQ(Parse({}).config_file(), "/etc/docker/daemon.json");
  EXPECT_EQ(Parse({"--config-file", "/etc/other.json"}).config_file(), "/etc/other.json");
}

TEST(EngineFlags, WhatDockerdWouldNotTake) {
  EXPECT_THAT(ReasonsOf({"--validate"}), ElementsAre("ENGINE_FLAG_UNKNOWN"));
  EXPECT_THAT(ParseEngineFlags({"--validate"}, {23, 0, 0}).problems, IsEmpty());
  EXPECT_THAT(ReasonsOf({"-x"}), ElementsAre("ENGINE_FLAG_UNKNOWN"));
  EXPECT_THAT(ReasonsOf({"--"}), IsEmpty());
  EXPECT_THAT(ReasonsOf({"--", "--icc"}), ElementsAre("ENGINE_ARGUMENT"));
  EXPECT_THAT(ReasonsOf({"start"}), ElementsAre("ENGINE_ARGUMENT"));
  EXPECT_THAT(ReasonsOf({"--data-root"}), ElementsAre("ENGINE_FLAG_WITHOUT_VALUE"));
  EXPECT_THAT(ReasonsOf({"--icc", "false"}), ElementsAre("ENGINE_ARGUMENT"));
}

}  // namespace
}  // namespace seaworthy::docker
