#include "modules/docker/effective_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaworthy::docker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr EngineVersion k20_10 = {20, 10, 24};

EffectiveConfig Make(const std::vector<std::string>& arguments, std::string_view file,
                     const EngineVersion& version = k20_10) {
  return MakeEffectiveConfig(ParseEngineFlags(arguments, version),
                             ParseDaemonJson(file, version).value(), version);
}

TEST(EffectiveConfig, DefaultsOfTheVersion) {
  const EffectiveConfig config = Make({}, "{}");
  EXPECT_THAT(config.problems, IsEmpty());
  EXPECT_TRUE(config.Flag("icc"));
  EXPECT_FALSE(config.Flag("ip6tables"));
  EXPECT_TRUE(Make({}, "{}", {27, 0, 0}).Flag("ip6tables"));
  EXPECT_EQ(config.Value("log-driver"), "json-file");
  EXPECT_TRUE(config.Value("userns-remap").is_null());
  EXPECT_EQ(config.settings.at("icc").origin, Origin::kDefault);
}

TEST(EffectiveConfig, FileAndCommandLineSayTheRest) {
  const EffectiveConfig config = Make(
      {"--iptables=false", "-l", "warn", "--mtu=1400", "--log-opt=max-size=10m", "-H", "fd://"},
      R"({"icc": false, "labels": ["a=b"]})");
  EXPECT_THAT(config.problems, IsEmpty());
  EXPECT_FALSE(config.Flag("iptables"));
  EXPECT_EQ(config.settings.at("iptables").origin, Origin::kCommandLine);
  EXPECT_FALSE(config.Flag("icc"));
  EXPECT_EQ(config.settings.at("icc").origin, Origin::kFile);
  EXPECT_EQ(config.Value("mtu"), 1400);
  EXPECT_EQ(config.Value("log-opts")["max-size"], "10m");
  EXPECT_EQ(config.Value("hosts"), nlohmann::json::array({"fd://"}));
}

TEST(EffectiveConfig, OneThingSaidTwiceIsAConflict) {
  const EffectiveConfig config = Make({"-H", "fd://"}, R"({"hosts": ["unix:///x"]})");
  ASSERT_THAT(config.problems, SizeIs(1));
  EXPECT_EQ(config.problems[0].reason, "DOCKER_CONFIG_CONFLICT");
  EXPECT_EQ(config.problems[0].where, "\"/hosts\"");
  EXPECT_THAT(config.problems[0].text, HasSubstr("--host"));
  // But for runtimes, which are put together.
  const EffectiveConfig both =
      Make({"--add-runtime=a=/usr/bin/a"}, R"({"runtimes": {"b": {"path": "/usr/bin/b"}}})");
  EXPECT_THAT(both.problems, IsEmpty());
  EXPECT_THAT(both.Value("runtimes"), SizeIs(2));
}

TEST(EffectiveConfig, ValuesThatAreNone) {
  for (const char* flag : {"--icc=maybe", "--mtu=ten", "--mtu="}) {
    const EffectiveConfig config = Make({flag}, "{}");
    ASSERT_THAT(config.problems, SizeIs(1)) << flag;
    EXPECT_EQ(config.problems[0].reason, "ENGINE_FLAG_VALUE");
  }
  EXPECT_FALSE(Make({"--icc=F"}, "{}").Flag("icc"));
}

TEST(EffectiveConfig, TlsverifyTurnsTlsOnWhateverItSays) {
  EXPECT_TRUE(Make({}, R"({"tlsverify": false})").Flag("tls"));
  EXPECT_FALSE(Make({}, "{}").Flag("tls"));
}

TEST(EffectiveConfig, TlsAloneVerifiesAsWell) {
  EXPECT_TRUE(Make({"--tls"}, "{}").Flag("tlsverify"));
  EXPECT_TRUE(Make({}, R"({"tls": true})").Flag("tlsverify"));
  EXPECT_FALSE(Make({"--tls", "--tlsverify=false"}, "{}").Flag("tlsverify"));
  EXPECT_FALSE(Make({"--tls=false"}, "{}").Flag("tlsverify"));
  EXPECT_FALSE(Make({}, "{}").Flag("tlsverify"));
}

TEST(EffectiveConfig, FormerNameOfDataRoot) {
  EXPECT_EQ(Make({"-g", "/graph"}, "{}").Value("data-root"), "/graph");
}

}  // namespace
}  // namespace seaworthy::docker
