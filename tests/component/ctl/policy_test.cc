// policy and verify --policy as a user runs them, on captures of a real node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "component/ctl/program.h"
#include "seaworthy/v1/attestation.pb.h"
#include "seaworthy/verify_message.h"
#include "unit/verify/captures.h"

namespace seaworthy::ctl {
namespace {

using ::seaworthy::testing::Content;
using ::seaworthy::testing::Ran;
using ::seaworthy::testing::RunProgram;
using ::seaworthy::testing::TempRoot;
using ::testing::HasSubstr;

const std::string kCapture = TEST_DATA "/captures/seabios-template-ima-ng/";
const std::string kNonce = "000102030405060708090a0b0c0d0e0f1011121314151617";

class PolicyProgram : public ::testing::Test {
 protected:
  PolicyProgram() {
    v1::Evidence message;
    verify::ToMessage(verify::ReadQuote("seabios-template-ima-ng").evidence, message);
    std::ofstream(evidence_, std::ios::binary) << message.SerializeAsString();
  }
  Ran Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), SEAWORTHYCTL);
    return RunProgram(arguments);
  }
  Ran Learn(const std::string& list) {
    return Run({"policy", "learn", "--evidence", evidence_, "--ima-list", kCapture + list, "--out",
                policy_});
  }
  Ran Verify(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"verify", "--evidence", evidence_,       "--nonce",
                                          kNonce,   "--ak-name",  AkName(),        "--policy",
                                          policy_,  "--ima-list", kCapture + list_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  static std::string AkName() {
    const std::string name = Content(kCapture + "ak.name");
    return Hex(AsBytes(name));
  }
  // Edits the policy's file.
  void Replace(const std::string& from, const std::string& to) {
    std::string text = Content(policy_);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    std::ofstream(policy_) << text.replace(at, from.size(), to);
  }

  const TempRoot root_;
  // The captured quote as `quote --out` writes it.
  const std::string evidence_ = root_ / "evidence";
  const std::string policy_ = root_ / "policy.json";
  std::string list_ = "binary_runtime_measurements";
};

TEST_F(PolicyProgram, ALearnedPolicyTrustsTheNodeAndNamesWhatIsNew) {
  for (const std::string list : {"binary_runtime_measurements", "ascii_runtime_measurements"}) {
    list_ = list;
    const Ran learned = Learn(list);
    ASSERT_EQ(learned.exit, 0) << learned.err;
    EXPECT_THAT(learned.out, HasSubstr("8 PCRs"));
    // This node has violations in its list.
    EXPECT_EQ(Verify().exit, 1);
    Replace("\"violations\": \"fail\"", "\"violations\": \"tell\"");
    const Ran trusted = Verify({"--state", root_ / "state"});
    EXPECT_EQ(trusted.exit, 0) << trusted.out << trusted.err;
    EXPECT_THAT(trusted.out, HasSubstr("warn"));
    EXPECT_THAT(Content(root_ / "state"), HasSubstr("\"ima_entries\": "));
    Replace("\"/usr/bin/kmod\"", "\"/usr/bin/kmode\"");
    const Ran refused = Verify();
    EXPECT_EQ(refused.exit, 1);
    EXPECT_THAT(refused.out, HasSubstr("/usr/bin/kmod: The policy does not know this file"));
    const Ran json = Verify({"--output", "json"});
    EXPECT_THAT(json.out, HasSubstr("\"file\": \"/usr/bin/kmod\""));
  }
}

TEST_F(PolicyProgram, AStateOfALaterRoundRefusesTheEarlierOne) {
  ASSERT_EQ(Learn(list_).exit, 0);
  Replace("\"violations\": \"fail\"", "\"violations\": \"ignore\"");
  ASSERT_EQ(Verify({"--state", root_ / "state"}).exit, 0);
  const std::string state = Content(root_ / "state");
  const std::size_t at = state.find("\"reset_count\": ");
  ASSERT_NE(at, std::string::npos);
  std::ofstream(root_ / "state") << std::string(state).insert(at + 15, "9");
  const Ran ran = Verify({"--state", root_ / "state"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, HasSubstr("EVIDENCE_FROM_EARLIER_BOOT"));
  std::ofstream(root_ / "state") << "{}";
  EXPECT_EQ(Verify({"--state", root_ / "state"}).exit, 2);
}

TEST_F(PolicyProgram, TheAgeOfTheNonceIsAskedForAndJudged) {
  std::ofstream(policy_) << R"({"seaworthy_policy": 1, "clock": {"max_age_seconds": 120}})";
  EXPECT_THAT(Verify().out, HasSubstr("NOT trusted: AGE_UNKNOWN\n"));
  EXPECT_EQ(Verify({"--nonce-age", "120"}).exit, 0);
  const Ran old = Verify({"--nonce-age", "121"});
  EXPECT_EQ(old.exit, 1);
  EXPECT_THAT(old.out, HasSubstr("NOT trusted: EVIDENCE_TOO_OLD\n"));
  EXPECT_EQ(Verify({"--nonce-age", "-1"}).exit, 2);
}

TEST_F(PolicyProgram, AnUpdateIsAllowedFromAFolderAndFromADeb) {
  ASSERT_EQ(Learn(list_).exit, 0);
  const std::string tree = root_ / "tree";
  std::filesystem::create_directories(tree + "/bin");
  std::filesystem::create_directories(tree + "/DEBIAN");
  std::ofstream(tree + "/bin/new") << "new";
  std::ofstream(tree + "/DEBIAN/control") << "Package: new\nVersion: 1\nArchitecture: all\n"
                                             "Maintainer: x <x@example.org>\nDescription: x\n";
  ASSERT_EQ(RunProgram({"dpkg-deb", "-b", tree, root_ / "new.deb"}).exit, 0);
  std::filesystem::remove_all(tree + "/DEBIAN");
  const std::string before = Content(policy_);
  const std::string digest =
      "sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437";
  for (const std::vector<std::string>& what :
       {std::vector<std::string>{"--dir", tree}, {"--deb", root_ / "new.deb"}}) {
    std::ofstream(policy_) << before;
    const Ran ran = Run({"policy", "update", policy_, what[0], what[1]});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    EXPECT_THAT(Content(policy_), HasSubstr("\"/usr/bin/new\": [\n        \"" + digest));
    EXPECT_THAT(Content(policy_), HasSubstr("/usr/bin/kmod"));
  }
  EXPECT_EQ(Run({"policy", "update", policy_}).exit, 2);
  EXPECT_EQ(Run({"policy", "update", policy_, "--deb", policy_}).exit, 2);
  EXPECT_EQ(Run({"policy", "update", policy_, "--dir", root_ / "none"}).exit, 2);
}

TEST_F(PolicyProgram, CheckNamesTheField) {
  std::ofstream(policy_) << R"({"seaworthy_policy": 1, "ima": {"unlisted": "maybe"}})";
  const Ran ran = Run({"policy", "check", policy_});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("/ima/unlisted"));
  std::ofstream(policy_) << R"({"seaworthy_policy": 1, "ima": {"keys": ["nothing"]}})";
  EXPECT_EQ(Run({"policy", "check", policy_}).exit, 2);
  std::ofstream(policy_) << R"({"seaworthy_policy": 1, "ima": {}})";
  const Ran json = Run({"--output", "json", "policy", "check", policy_});
  EXPECT_EQ(json.exit, 0) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"files\": 0"));
}

}  // namespace
}  // namespace seaworthy::ctl
