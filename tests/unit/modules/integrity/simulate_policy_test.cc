#include "seaworthy/modules/integrity/simulate_policy.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "support/status_matchers.h"
#include "unit/modules/integrity/policies.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SimulatePolicyTest : public ::testing::Test {
 protected:
  SimulatePolicyTest() {
    for (const char* folder : {"bin", "etc", "log", "modules"}) {
      std::filesystem::create_directory(root_ / folder);
    }
    Put("bin/dockerd",
        "\x7f"
        "ELF program",
        0755);
    Put("bin/script", "#!/bin/sh\n", 0755);
    Put("bin/libc.so",
        "\x7f"
        "ELF library",
        0644);
    Put("etc/daemon.json", "{}", 0644);
    Put("log/x.log", "text", 0600);
    Put("modules/overlay.ko.xz", "module", 0644);
  }
  void Put(const std::string& path, const std::string& text, unsigned mode) {
    WriteText(root_ / path, text);
    std::filesystem::permissions(root_ / path, std::filesystem::perms(mode));
  }
  Simulation Simulate(const std::string& policy,
                      std::vector<std::string> paths = {"bin", "etc", "log", "modules"}) {
    seen_.clear();
    const auto simulation = SimulatePolicy(
        Parsed(policy), {.root = root_.path(),
                         .tree = {.deadline = Soon(), .paths = std::move(paths), .failed = nullptr},
                         .keys = key_.Keys(),
                         .signatures = {.user_attributes = true},
                         .tell = [this](const SimulatedFile& file) { seen_[file.path] = file; }});
    EXPECT_THAT(simulation, IsOk());
    return simulation.value_or(Simulation());
  }
  std::vector<std::string_view> Measured(const std::string& path) { return seen_[path].measured; }
  std::vector<std::string_view> Denied(const std::string& path) { return seen_[path].denied; }

  testing::TempRoot root_;
  SigningKey key_{kEc};
  std::map<std::string, SimulatedFile> seen_;
};

TEST_F(SimulatePolicyTest, TellsWhatIsMeasuredOfWhatCanBeDone) {
  const Simulation all = Simulate("measure\n");
  EXPECT_EQ(all.files, 6);
  EXPECT_EQ(all.measured, 6);
  EXPECT_EQ(all.appraised + all.denied + all.failed, 0);
  EXPECT_THAT(Measured("bin/dockerd"), ElementsAre("run", "map", "read"));
  EXPECT_THAT(Measured("bin/script"), ElementsAre("run", "read"));
  EXPECT_THAT(Measured("bin/libc.so"), ElementsAre("map", "read"));
  EXPECT_THAT(Measured("etc/daemon.json"), ElementsAre("read"));
  EXPECT_THAT(Measured("modules/overlay.ko.xz"), ElementsAre("load", "read"));
  EXPECT_EQ(Simulate("measure func=BPRM_CHECK mask=MAY_EXEC\n").measured, 2);
  EXPECT_THAT(Measured("log/x.log"), IsEmpty());
  EXPECT_EQ(Simulate("measure func=MODULE_CHECK\n").measured, 1);
  EXPECT_EQ(Simulate("dont_measure func=MMAP_CHECK\nmeasure func=MMAP_CHECK\n").measured, 0);
  EXPECT_EQ(Simulate("measure func=FILE_CHECK mask=MAY_EXEC\n").measured, 2);
  EXPECT_EQ(Simulate("measure uid=1\n").measured, 0);
  EXPECT_EQ(Simulate("measure fsmagic=0x9fa0\n").measured, 0);
}

TEST_F(SimulatePolicyTest, DeniesWhatIsNotSignedAsTheRuleAsks) {
  const SignatureOptions user = {.user_attributes = true};
  SigningKey stranger(kEc);
  ASSERT_THAT(SignFile(root_ / "bin/dockerd", key_.Signer(), user), IsOk());
  ASSERT_THAT(SignFile(root_ / "bin/script", stranger.Signer(), user), IsOk());
  const std::string rule = "appraise func=BPRM_CHECK appraise_type=imasig\n";
  const Simulation programs = Simulate(rule);
  EXPECT_EQ(programs.appraised, 2);
  EXPECT_EQ(programs.denied, 1);
  EXPECT_THAT(Denied("bin/dockerd"), IsEmpty());
  EXPECT_THAT(Denied("bin/script"), ElementsAre("run"));
  EXPECT_EQ(Reason(seen_["bin/script"].why), "IMA_KEY_UNKNOWN");
  EXPECT_EQ(Simulate("dont_appraise func=BPRM_CHECK\n" + rule).denied, 0);
  const Simulation all = Simulate("appraise appraise_type=imasig\n");
  EXPECT_EQ(all.appraised, 6);
  EXPECT_EQ(all.denied, 5);
  EXPECT_THAT(Denied("bin/libc.so"), ElementsAre("map", "read"));
  EXPECT_EQ(Reason(seen_["etc/daemon.json"].why), "IMA_SIGNATURE_MISSING");
  // Of another kind than the one that is there.
  EXPECT_EQ(Simulate("appraise func=BPRM_CHECK digest_type=verity appraise_type=sigv3\n").denied,
            2);
  EXPECT_EQ(Reason(seen_["bin/dockerd"].why), "IMA_SIGNATURE_INVALID");
  Put("bin/dockerd",
      "\x7f"
      "ELF another",
      0755);
  EXPECT_EQ(Simulate(rule).denied, 2);
  EXPECT_EQ(Reason(seen_["bin/dockerd"].why), "IMA_SIGNATURE_INVALID");
}

// Linux 6.1 takes format 3 for fs-verity's digests alone.
TEST_F(SimulatePolicyTest, DeniesAFormatThatTheKernelDoesNotTake) {
  const auto digest = verify::ImaDigest(verify::ImaHash::kSha256, AsBytes("#!/bin/sh\n"));
  ASSERT_THAT(digest, IsOk());
  for (const auto format : {std::uint8_t{2}, std::uint8_t{3}}) {
    const verify::ImaSignature signature = {.version = format, .bytes = {}};
    const auto attributes = key_.Signer().Attributes({{signature, *digest}});
    ASSERT_THAT(attributes, IsOk());
    ASSERT_TRUE(SetAttribute(root_ / "bin/script", "user.ima", attributes->front()));
    Simulate("appraise func=BPRM_CHECK appraise_type=imasig\n");
    EXPECT_EQ(Denied("bin/script").empty(), format == 2);
  }
}

TEST_F(SimulatePolicyTest, WhatCannotBeLookedAtIsCounted) {
  std::filesystem::create_symlink("dockerd", root_ / "bin/link");
  EXPECT_EQ(Simulate("measure\n", {"bin/link", "bin/absent", "bin/dockerd"}).failed, 2);
  EXPECT_EQ(seen_.size(), 1);
  const auto late = SimulatePolicy(
      Parsed("measure\n"),
      {.root = root_.path(),
       .tree = {
           .deadline = DeadlineIn(std::chrono::seconds(0)), .paths = {"bin"}, .failed = nullptr}});
  EXPECT_THAT(late, Fails(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED"));
}

TEST(AskedOfSelinux, IsTold) {
  EXPECT_TRUE(AsksForSelinux(Parsed("measure\nmeasure obj_type=bin_t\n")));
  EXPECT_FALSE(AsksForSelinux(Parsed("measure\n")));
  EXPECT_TRUE(AsksForSubject(Parsed("measure obj_type=bin_t subj_user=u\n")));
  EXPECT_FALSE(AsksForSubject(Parsed("measure obj_type=bin_t\n")));
}

}  // namespace
}  // namespace seaworthy::integrity
