// IMA policies as an operator makes, tries and installs them; no daemon is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <filesystem>

#include "component/ctl/program.h"

namespace seaworthy::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr char kMeasure[] = "measure func=BPRM_CHECK mask=MAY_EXEC\n";
constexpr char kAppraise[] = "appraise func=BPRM_CHECK appraise_type=imasig\n";

class ImaPolicyProgram : public ::testing::Test {
 protected:
  ImaPolicyProgram() {
    Put("usr/sbin/dockerd",
        "\x7f"
        "ELF engine",
        true);
    Put("usr/sbin/runc",
        "\x7f"
        "ELF runtime",
        true);
    Put("etc/docker/daemon.json", "{}");
    Put("var/log/docker.log", "log");
    Put("var/lib/docker/x.db", "database");
  }
  void Put(const std::string& path, const std::string& text, bool program = false) const {
    const fs::path file = node_ + "/" + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
    if (program) fs::permissions(file, fs::perms(0755));
  }
  std::string File(const std::string& name, const std::string& text) const {
    std::ofstream(root_ / name) << text;
    return root_ / name;
  }
  Ran Integrity(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {SEAWORTHYCTL, "integrity"});
    arguments.insert(arguments.end(), {"--root", node_});
    return RunProgram(arguments);
  }
  Ran Make(const std::string& kind, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"make-policy", kind, "--templates", SOURCE_DIR "/policies/ima"});
    return Integrity(more);
  }
  std::string Installed() const { return Content(node_ + "/etc/ima/ima-policy"); }
  std::string InstalledBehindKeys() const { return Content(node_ + "/etc/seaworthy/ima-policy"); }

  TempRoot root_;
  const std::string node_ = root_ / "node";
};

TEST_F(ImaPolicyProgram, MakesAPolicyThatMeasuresProgramsAndNoLog) {
  const Ran printed = Make("measure");
  EXPECT_EQ(printed.exit, 0) << printed.err;
  EXPECT_THAT(printed.out, ContainsRegex("\nmeasure func=BPRM_CHECK mask=MAY_EXEC fs(uuid|name)="));
  // Without SELinux nothing tells configuration from a log, and that is said.
  EXPECT_THAT(printed.err, HasSubstr("not measured: etc/docker/daemon.json"));
  const std::string policy = root_ / "policy";
  EXPECT_EQ(Make("minimal", {"--out", policy}).exit, 0);
  const Ran checked = RunProgram({SEAWORTHYCTL, "integrity", "check-policy", policy});
  EXPECT_THAT(checked.out, Not(HasSubstr("warn")));
  const Ran docker = Integrity({"simulate-policy", policy});
  EXPECT_EQ(docker.exit, 0) << docker.err;
  EXPECT_THAT(docker.out, AllOf(HasSubstr("usr/sbin/dockerd: measured (run)\n"),
                                HasSubstr("3 files: 2 measured, 0 appraised, 0 denied")));
  const Ran variable = Integrity({"simulate-policy", policy, "/var"});
  EXPECT_THAT(variable.out, HasSubstr("2 files: 0 measured"));
}

TEST_F(ImaPolicyProgram, TakesProgramsThatAreNamed) {
  fs::remove_all(node_ + "/usr");
  EXPECT_THAT(Make("measure").err, HasSubstr("NO_PROGRAMS"));
  Put("opt/runtime/crun",
      "\x7f"
      "ELF",
      true);
  EXPECT_THAT(Make("measure").err, HasSubstr("NO_PROGRAMS"));
  EXPECT_EQ(Make("measure", {"--add", "/opt/runtime/crun"}).exit, 0);
  EXPECT_EQ(Make("largest").exit, 2);
  EXPECT_EQ(Make("measure", {"--templates", node_}).exit, 2);
}

// M-66
TEST_F(ImaPolicyProgram, LocksNobodyOutUnlessTold) {
  const Ran refused = Make("appraise");
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.err, HasSubstr("NOTHING_TO_APPRAISE"));
  EXPECT_THAT(refused.out, IsEmpty());
  const std::string policy = root_ / "policy";
  EXPECT_EQ(Make("appraise", {"--appraise-all-programs", "--out", policy}).exit, 0);
  const Ran simulated = Integrity({"simulate-policy", policy});
  EXPECT_EQ(simulated.exit, 1);
  EXPECT_THAT(simulated.out, ContainsRegex("runc: .*denied \\(run, map\\).*IMA_SIGNATURE_MISSING"));
  const Ran denied = Integrity({"install-policy", policy});
  EXPECT_EQ(denied.exit, 1);
  EXPECT_THAT(denied.err, HasSubstr("IMA_POLICY_DENIES"));
  EXPECT_THAT(denied.out, HasSubstr("usr/sbin/runc"));
  EXPECT_EQ(Installed(), "");
  EXPECT_EQ(InstalledBehindKeys(), "");
  EXPECT_EQ(Integrity({"install-policy", policy, "--force"}).exit, 0);
  EXPECT_EQ(InstalledBehindKeys(), Content(policy));
  EXPECT_EQ(Installed(), "");
  const Ran now = Integrity({"install-policy", policy, "--force", "--now"});
  EXPECT_EQ(now.exit, 2);
}

TEST_F(ImaPolicyProgram, InstallsAndGoesBack) {
  const std::string first = File("first", kMeasure);
  const std::string second = File("second", std::string("# 2\n") + kMeasure);
  EXPECT_EQ(Integrity({"remove-policy"}).exit, 1);
  EXPECT_THAT(Integrity({"install-policy", first}).out, HasSubstr("next boot"));
  EXPECT_EQ(Integrity({"install-policy", second}).exit, 0);
  EXPECT_EQ(Installed(), Content(second));
  EXPECT_THAT(Integrity({"remove-policy"}).out, HasSubstr("installed again"));
  EXPECT_EQ(Installed(), Content(first));
  EXPECT_EQ(Integrity({"remove-policy"}).exit, 0);
  EXPECT_EQ(Integrity({"remove-policy"}).exit, 1);
  // To load what lies below another root is no order that makes sense.
  EXPECT_EQ(Integrity({"install-policy", first, "--now"}).exit, 2);
  EXPECT_EQ(Integrity({"install-policy", root_ / "absent"}).exit, 2);
}

// M-67
TEST_F(ImaPolicyProgram, InstallsNothingThatCannotWork) {
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += "audit\n";
  const std::pair<std::string, std::string> bad[] = {
      {"# nothing\n", "IMA_POLICY_USELESS"},
      {"measure pcr=24\n", "IMA_POLICY_USELESS"},
      {"measure obj_type=bin_t\n", "SELINUX_ABSENT"},
      {"measure mask=MAY_RUN\n", "IMA_POLICY_MALFORMED"},
      {std::string("measure\0\n", 9), "IMA_POLICY_MALFORMED"},
      {many, "IMA_POLICY_SLOW"},
      {many + "audit\n", "IMA_POLICY_MALFORMED"}};
  for (const auto& [text, reason] : bad) {
    const Ran ran = Integrity({"install-policy", File("policy", text)});
    EXPECT_EQ(ran.exit, 1) << text.substr(0, 40);
    EXPECT_THAT(ran.err, HasSubstr(reason)) << text.substr(0, 40);
    EXPECT_LT(ran.out.size(), 10'000U);
    EXPECT_EQ(Installed(), "");
  }
  EXPECT_EQ(Integrity({"install-policy", "--force", File("policy", "# nothing\n")}).exit, 1);
}

// M-66: what is signed is not denied. evmctl makes the signatures.
TEST_F(ImaPolicyProgram, InstallsAnAppraisingPolicyWhenAllIsSigned) {
  const std::string key = root_ / "key.pem";
  const std::string certificate = root_ / "certificate.pem";
  ASSERT_EQ(RunProgram({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        "/CN=i", "-keyout", key, "-out", certificate})
                .exit,
            0);
  const std::string policy = File("policy", kAppraise);
  const std::vector<std::string> install = {"install-policy", policy, "--certificate", certificate};
  EXPECT_EQ(Integrity(install).exit, 1);
  // Without CAP_SYS_ADMIN nobody writes these attributes.
  if (setxattr(node_.c_str(), "security.ima", "x", 1, 0) != 0) return;
  for (const char* name : {"dockerd", "runc"}) {
    ASSERT_EQ(RunProgram({"evmctl", "ima_sign", "--hashalgo", "sha256", "--key", key,
                          node_ + "/usr/sbin/" + name})
                  .exit,
              0);
  }
  EXPECT_EQ(Integrity({"simulate-policy", policy}).exit, 1);
  EXPECT_EQ(Integrity({"simulate-policy", policy, "--certificate", certificate}).exit, 0);
  const Ran installed = Integrity(install);
  EXPECT_EQ(installed.exit, 0) << installed.out << installed.err;
  EXPECT_THAT(installed.out, HasSubstr("seaworthy-appraisal.service"));
  EXPECT_EQ(InstalledBehindKeys(), kAppraise);
  EXPECT_EQ(Integrity({"install-policy", policy, "--certificate", policy}).exit, 2);
}

}  // namespace
}  // namespace seaworthy::testing
