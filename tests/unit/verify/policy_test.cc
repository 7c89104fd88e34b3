#include "seaworthy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::HasSubstr;

const std::string kDigest(64, 'a');
const std::string kHead = R"({"seaworthy_policy": 1, )";

TEST(Policy, ReadsAllItsFields) {
  const Result<Policy> policy =
      ParsePolicy(kHead + R"("name": "edge", "pcrs": {"sha256": {"7": [")" + kDigest +
                  R"("]}}, "ima": {"files": {"/usr/bin/a b": ["sha256:)" + kDigest +
                  R"("], "/x%0Ay%25": []}, "exclude": ["/tmp/*", "/a"], "keys": ["PEM"],
                  "unlisted": "tell", "violations": "ignore"}})");
  ASSERT_THAT(policy, IsOk());
  EXPECT_EQ(policy->name, "edge");
  EXPECT_EQ(policy->pcrs.at({0x000b, 7}).front(), Bytes(32, 0xaa));
  const ImaPolicy& ima = policy->ima;
  EXPECT_TRUE(ima.required);
  // As the kernel lists it.
  EXPECT_EQ(ima.files.at("/usr/bin/a_b").front(), (FileDigest{"sha256", Bytes(32, 0xaa)}));
  EXPECT_TRUE(ima.files.contains("/x\ny%"));
  EXPECT_THAT(ima.exclude, ::testing::ElementsAre("/tmp/*", "/a"));
  EXPECT_THAT(ima.keys, ::testing::ElementsAre("PEM"));
  EXPECT_EQ(ima.unlisted, Judge::kTell);
  EXPECT_EQ(ima.violations, Judge::kIgnore);
}

TEST(Policy, ReadsTheClocksPart) {
  const Result<Policy> policy = ParsePolicy(kHead + R"("clock": {"must_be_safe": true,
      "max_resets": 0, "max_restarts": 3, "max_seconds_between_rounds": 3600,
      "max_age_seconds": 4294967295}})");
  ASSERT_THAT(policy, IsOk());
  EXPECT_EQ(policy->clock, (ClockPolicy{.must_be_safe = true,
                                        .max_resets = 0,
                                        .max_restarts = 3,
                                        .max_seconds_between_rounds = 3600,
                                        .max_age_seconds = 4294967295}));
  EXPECT_EQ(ParsePolicy(kHead + R"("clock": {}})")->clock, ClockPolicy());
}

TEST(Policy, IsStrictWhereItIsSilent) {
  const Result<Policy> policy = ParsePolicy(kHead + R"("ima": {}})");
  ASSERT_THAT(policy, IsOk());
  EXPECT_EQ(policy->ima.unlisted, Judge::kFail);
  EXPECT_EQ(policy->ima.violations, Judge::kFail);
  EXPECT_FALSE(ParsePolicy(R"({"seaworthy_policy": 1})")->ima.required);
}

TEST(Policy, WrittenAndReadItIsTheSame) {
  const std::string odd = "/\xff\n%41 _\"\\";
  Policy policy;
  policy.name = "x";
  policy.pcrs[{0x000c, 0}] = {Bytes(48, 1), Bytes(48, 2)};
  policy.clock = {.must_be_safe = true,
                  .max_resets = 0,
                  .max_restarts = 1,
                  .max_seconds_between_rounds = 2,
                  .max_age_seconds = 3};
  policy.boot = {.required = true,
                 .secure_boot = true,
                 .verified_boot = false,
                 .command_lines = {"root=/dev/vda"},
                 .images = {Bytes(32, 7), Bytes(48, 8)},
                 .authorities = {Bytes(32, 9)}};
  policy.ima.required = true;
  policy.ima.files[odd] = {{"sha512", Bytes(64, 3)}};
  policy.ima.exclude = {"/var/\x01*"};
  policy.ima.keys = {"one", "two"};
  policy.ima.unlisted = Judge::kTell;
  policy.ima.violations = Judge::kIgnore;
  const Result<Policy> read = ParsePolicy(ToJson(policy));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->pcrs, policy.pcrs);
  EXPECT_EQ(read->ima.files.at(ToImaPath(odd)), policy.ima.files.at(odd));
  EXPECT_EQ(read->ima.exclude, policy.ima.exclude);
  EXPECT_EQ(read->ima.keys, policy.ima.keys);
  EXPECT_EQ(read->clock, policy.clock);
  EXPECT_TRUE(read->boot.secure_boot);
  EXPECT_FALSE(read->boot.verified_boot);
  EXPECT_EQ(read->boot.images, policy.boot.images);
  EXPECT_EQ(read->boot.authorities, policy.boot.authorities);
  EXPECT_EQ(read->boot.command_lines, policy.boot.command_lines);
  EXPECT_EQ(ToJson(*read), ToJson(*ParsePolicy(ToJson(*read))));
}

TEST(Policy, NamesTheFieldThatIsWrong) {
  const auto fails = [](const std::string& json, const std::string& place) {
    const Result<Policy> policy = ParsePolicy(json);
    EXPECT_THAT(policy, Fails(Code::kInvalidArgument, "POLICY_MALFORMED")) << json;
    EXPECT_THAT(Message(policy.status()), HasSubstr(place));
  };
  fails("{\n\"a\": \n]}", "line 3");
  fails("[]", "is not an object");
  fails("{\"name\": 1e999999}", "number");
  fails("{}", "/seaworthy_policy");
  fails(R"({"seaworthy_policy": 2})", "/seaworthy_policy");
  fails(kHead + R"("pcr": {}})", "/pcr");
  fails(kHead + R"("name": 1})", "/name");
  fails(kHead + R"("pcrs": {"md5": {}}})", "/pcrs/md5");
  fails(kHead + R"("pcrs": {"sha256": {"24": ["00"]}}})", "/pcrs/sha256/24");
  fails(kHead + R"("pcrs": {"sha256": {"7x": ["00"]}}})", "/pcrs/sha256/7x");
  fails(kHead + R"("pcrs": {"sha256": {"7": []}}})", "/pcrs/sha256/7");
  fails(kHead + R"("pcrs": {"sha256": {"7": ["00"]}}})", "/pcrs/sha256/7/");
  fails(kHead + R"("ima": {"colour": 1}})", "/ima/colour");
  fails(kHead + R"("ima": {"files": []}})", "/ima/files");
  fails(kHead + R"("ima": {"files": {"/a": "x"}}})", "/ima/files//a");
  fails(kHead + R"("ima": {"files": {"/a": ["md5:00"]}}})", "/ima/files//a");
  fails(kHead + R"("ima": {"files": {"/a": ["sha256:00"]}}})", "/ima/files//a");
  fails(kHead + R"("ima": {"exclude": ["/a*b"]}})", "/ima/exclude");
  fails(kHead + R"("ima": {"exclude": [1]}})", "/ima/exclude/0");
  fails(kHead + R"("ima": {"unlisted": "perhaps"}})", "/ima/unlisted");
  fails(kHead + R"("ima": 1})", "/ima");
  fails(kHead + R"("clock": []})", "/clock");
  fails(kHead + R"("clock": {"max_reset": 1}})", "/clock/max_reset:");
  fails(kHead + R"("clock": {"must_be_safe": 1}})", "/clock/must_be_safe");
  fails(kHead + R"("clock": {"max_resets": -1}})", "/clock/max_resets");
  fails(kHead + R"("clock": {"max_restarts": 1.5}})", "/clock/max_restarts");
  fails(kHead + R"("clock": {"max_seconds_between_rounds": "1"}})",
        "/clock/max_seconds_between_rounds");
  fails(kHead + R"("clock": {"max_age_seconds": 4294967296}})", "/clock/max_age_seconds");
  fails(kHead + R"("boot": {"secure_boot": "yes"}})", "/boot/secure_boot");
  fails(kHead + R"("boot": {"images": ["sha256:00"]}})", "/boot/images/0");
  fails(kHead + R"("boot": {"image": []}})", "/boot/image");
  fails(kHead + R"("boot": {"authorities": ["sha256:00"]}})", "/boot/authorities/0");
  fails(kHead + R"("boot": {"authorities": ["sha1:)" + kDigest.substr(24) + R"("]}})",
        "/boot/authorities");
}

}  // namespace
}  // namespace seaworthy::verify
