#include "modules/docker/site_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SitePolicy, IsReadFieldByField) {
  const Result<SitePolicy> policy = ParseSitePolicy(R"({
    "docker_group": ["operator"], "minimum_engine": "24.0.7",
    "insecure_registries": ["10.0.0.0/8"], "capabilities": ["NET_ADMIN"], "mounts": ["/srv"],
    "privileged_ports": [80, 443], "ports": [8080], "devices": ["/dev/ttyUSB0"],
    "unused_images": 3, "stopped_containers": 0, "swarm_managers": 1, "swarm": true,
    "exceptions": [{"check": "5.4", "subject": "vpn", "reason": "makes a tunnel",
                    "until": "2027-03-31"}]})");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_THAT(policy->docker_group, ElementsAre("operator"));
  EXPECT_EQ(policy->minimum_engine, (EngineVersion{24, 0, 7}));
  EXPECT_THAT(policy->privileged_ports, ElementsAre(80, 443));
  EXPECT_THAT(policy->ports.value(), ElementsAre(8080));
  EXPECT_EQ(policy->unused_images, 3U);
  EXPECT_EQ(policy->stopped_containers, 0U);
  EXPECT_TRUE(policy->swarm);
  ASSERT_EQ(policy->exceptions.size(), 1U);
  EXPECT_EQ(policy->exceptions[0].subject, "vpn");
}

TEST(SitePolicy, MayBeEmpty) {
  const Result<SitePolicy> policy = ParseSitePolicy("{}");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->ports.has_value());  // not judged, rather than none allowed
}

TEST(SitePolicy, NamesTheFieldThatIsWrong) {
  const std::pair<const char*, const char*> bad[] = {
      {"{", "JSON"},
      {R"({"ports": [0]})", "/ports"},
      {R"({"ports": [65536]})", "/ports"},
      {R"({"ports": 80})", "/ports"},
      {R"({"privileged_ports": [-1]})", "/privileged_ports"},
      {R"({"mounts": "/srv"})", "/mounts"},
      {R"({"minimum_engine": "new"})", "/minimum_engine"},
      {R"({"mount": ["/srv"]})", "/mount: is no field"},
      {R"({"swarm": true, "swarm": false})", "twice"},
      {R"({"exceptions": {}})", "/exceptions"},
      {R"({"exceptions": [{"check": "5.99", "reason": "r", "until": "2027-01-01"}]})",
       "/exceptions/0/check"},
      {R"({"exceptions": [{"check": "5.4", "reason": "", "until": "2027-01-01"}]})",
       "/exceptions/0/reason"},
      {R"({"exceptions": [{"check": "5.4", "reason": "r"}]})", "/exceptions/0/until"},
      {R"({"exceptions": [{"check": "5.4", "reason": "r", "until": "31.3.2027"}]})",
       "/exceptions/0/until"},
  };
  for (const auto& [text, told] : bad) {
    const Status status = ParseSitePolicy(text).status();
    EXPECT_EQ(Reason(status), "SITE_POLICY_MALFORMED") << text;
    EXPECT_THAT(Message(status), HasSubstr(told)) << text;
  }
}

}  // namespace
}  // namespace seaworthy::docker
