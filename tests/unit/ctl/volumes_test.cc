// What the commands on volumes do without a daemon: what they show, secrets, units.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ctl/cli.h"
#include "ctl/json.h"
#include "ctl/recovery_output.h"
#include "ctl/render_volumes.h"
#include "ctl/secret_input.h"
#include "seaworthy/directory.h"
#include "support/program.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"
#include "unit/ctl/run_ctl.h"

namespace seaworthy::ctl {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempRoot;

template <class Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

constexpr char kVolume[] = R"(
  name: "docker" device: "/dev/sdb" uuid: "6f0a" label: "containers\033[2J" state: VOLUME_OPEN
  mapping: "/dev/mapper/docker" generation: 4 open_at_start: true
  guard_keys: "a1\n" guard_keys: "b2"
  mapping_options { allow_discards: true no_read_workqueue: true }
  ways_in { keyslot: 0 kind: WAY_IN_TPM fit: POLICY_DOES_NOT_FIT
            policy { pcrs { bank: SHA256 indices: 7 indices: 14 } pin: true } }
  ways_in { keyslot: 2 kind: WAY_IN_TPM fit: POLICY_FITS
            policy { signed_pcrs { pcrs { bank: SHA256 indices: 11 } public_key_pem: "none" }
                     legacy_parent: true } }
  ways_in { keyslot: 1 kind: WAY_IN_RECOVERY_KEY }
  ways_in { keyslot: 5 kind: WAY_IN_CLEVIS })";

TEST(RenderVolume, ShowsWaysInAndWhichFit) {
  EXPECT_EQ(RenderVolume(Parse<v1::Volume>(kVolume), {}),
            "docker\n"
            "  device                /dev/sdb\n"
            "  state                 open, /dev/mapper/docker\n"
            "  UUID                  6f0a\n"
            "  label                 containers\\x1b[2J\n"
            "  record of the header  change 4\n"
            "  guard key             a1\\n\n"
            "  guard key             b2\n"
            "  opened at start       yes\n"
            "  mapping               the disk is told which blocks are free, no read workqueue\n"
            "  KEYSLOT  WAY IN        WHEN                                                NOW\n"
            "  0        TPM           sha256:7,14 as sealed, PIN                          does not "
            "fit\n"
            "  2        TPM           sha256:11 signed by key ? (for systemd before 254)  fits\n"
            "  1        recovery key  always\n"
            "  5        Clevis        -\n");
  auto bare = Parse<v1::Volume>(R"(name: "x" device: "/d" state: VOLUME_UNUSABLE
      problem_reason: "NOT_LUKS" problem: "/d: no\nheader")");
  EXPECT_EQ(RenderVolume(bare, {}),
            "x\n"
            "  device           /d\n"
            "  state            UNUSABLE\n"
            "  problem          /d: no\\nheader [NOT_LUKS]\n"
            "  opened at start  no\n");
}

// The name is systemd's, as openssl and sha256sum make it.
TEST(RenderVolume, NamesTheKeyThatSigns) {
  const TempRoot root;
  ASSERT_EQ(std::system(("cd " + root / "" +
                         " && openssl genrsa -out k 2048 2>/dev/null && "
                         "openssl rsa -in k -pubout -out pub 2>/dev/null && "
                         "openssl rsa -in k -RSAPublicKey_out -outform DER 2>/dev/null | "
                         "sha256sum | cut -c1-16 > name")
                            .c_str()),
            0);
  v1::TpmPolicy policy;
  policy.mutable_signed_pcrs()->mutable_pcrs()->set_bank(v1::SHA256);
  policy.mutable_signed_pcrs()->mutable_pcrs()->add_indices(11);
  policy.mutable_signed_pcrs()->set_public_key_pem(
      std::string(AsText(ReadFile(root / "pub", 4096).value())));
  const std::string name(AsText(ReadFile(root / "name", 64).value()));
  EXPECT_EQ(PolicyWords(policy), "sha256:11 signed by key " + name.substr(0, 16) + "...");
}

TEST(RenderVolume, ListTestRefreshAcceptPredict) {
  v1::ListVolumesResponse list;
  EXPECT_THAT(RenderVolumes(list, {}), HasSubstr("volumes format"));
  *list.add_volumes() = Parse<v1::Volume>(kVolume);
  *list.add_volumes() = Parse<v1::Volume>(
      R"(name: "old" device: "/dev/sdc" state: VOLUME_CLOSED
         ways_in { kind: WAY_IN_TPM fit: POLICY_DOES_NOT_FIT } ways_in { kind: WAY_IN_TPM })");
  *list.add_volumes() = Parse<v1::Volume>(
      R"(name: "gone" device: "/dev/sdd" state: VOLUME_UNUSABLE problem_reason: "DEVICE_MISSING"
         problem: "is not there")");
  EXPECT_EQ(RenderVolumes(list, {}),
            "NAME    DEVICE    WAYS IN                    STATE\n"
            "docker  /dev/sdb  TPM, recovery key, Clevis  open\n"
            "old     /dev/sdc  TPM                        closed, the TPM would not open it now\n"
            "gone    /dev/sdd  -                          UNUSABLE: is not there "
            "[DEVICE_MISSING]\n");

  EXPECT_EQ(
      RenderVolumeTest(Parse<v1::VolumeTest>("opens: true keyslot: 3 header_checked: true"), {}),
      "opens by keyslot 3; the header is the one that we left\n");
  EXPECT_THAT(RenderVolumeTest(Parse<v1::VolumeTest>("opens: true"), {}),
              EndsWith("not checked\n"));
  EXPECT_EQ(RenderVolumeTest(Parse<v1::VolumeTest>(R"(reason: "PCR_POLICY_UNMET"
                message: "PCR 7 differs" differences: "PCR 7: db\033" differences: "two")"),
                             {}),
            "does not open: PCR 7 differs [PCR_POLICY_UNMET]\n  PCR 7: db\\x1b\n  two\n");

  EXPECT_THAT(
      RenderRefresh(
          Parse<v1::RefreshVolumeResponse>(R"(differences: "db" added: 4 removed: 0 removed: 2)"),
          {}),
      ::testing::StartsWith("what differed:\n  db\nadded keyslot 4\ntook away keyslots 0, 2\n"));
  EXPECT_THAT(RenderRefresh({}, {}), HasSubstr("nothing was to be changed\n"));
  EXPECT_THAT(RenderAcceptedHeader(Parse<v1::AcceptedHeader>(
                                       R"(before_reason: "HEADER_TAMPERED" before: "keyslots"
                                          guarded: 0 guarded: 1 unguarded: 5)"),
                                   {}),
              ::testing::StartsWith("until now: keyslots [HEADER_TAMPERED]\n"
                                    "the record is checked by keyslots 0, 1\n"
                                    "not by keyslot 5, whose secrets"));
  EXPECT_EQ(RenderPrediction(Parse<v1::PredictUpdateResponse>(
                R"(pcrs { bank: SHA256 index: 7 digest: "\001\377" })")),
            "sha256:7=01ff\n");
}

Ran RunVolumes(std::vector<std::string> arguments, const std::string& input = "",
               bool interactive = false) {
  arguments.insert(arguments.begin(), {"--socket", "/nonexistent", "volumes"});
  return RunCtl(std::move(arguments), input, interactive);
}

TEST(VolumeCommands, WrongUsageIsFoundBeforeTheDaemonIsAsked) {
  const TempRoot root;
  std::ofstream(root / "two") << "one\ntwo\n";
  std::ofstream(root / "empty");
  const std::pair<std::vector<std::string>, std::string> wrong[] = {
      {{"format", "v", "/d"}, "give --yes"},
      {{"format", "v", "/d", "--yes"}, "--recovery-file"},
      {{"format", "v", "/d", "--yes", "--recovery-file", root / "two"}, "exists"},
      {{"format", "v", "/d", "--yes", "--recovery-certificate", root / "none"}, "none"},
      {{"format", "v", "/d", "--yes", "--recovery-file", root / "r", "--pcrs", "sha1:1+sha256:1"},
       "--pcrs"},
      {{"format", "v", "/d", "--yes", "--recovery-file", root / "r", "--pin"}, "--pin-file"},
      {{"format", "v", "/d", "--pin", "--pin-file", "x"}, "--pin"},
      {{"format", "v", "/d", "--signed-pcrs", "11"}, "--policy-key"},
      {{"enrol", "v", "/d", "--passphrase", "--recovery-key"}, "excludes"},
      {{"enrol", "v", "/d", "--passphrase"}, "--secret-file"},
      {{"enrol", "v", "/d", "--add-recovery-key"}, "--recovery-file"},
      {{"test", "v", "--secret-file", root / "two"}, "--recovery-key"},
      {{"test", "v", "--recovery-key", "--secret-file", root / "two"}, "more than one line"},
      {{"test", "v", "--recovery-key", "--secret-file", root / "empty"}, "is empty"},
      {{"test", "v", "--recovery-key", "--stdin"}, "nothing was given"},
      {{"add", "v", "--ahead-file", "x"}, "PATH_IN_LOG=BEFORE:AFTER"},
      {{"add", "v", "--ahead-file", "x=a:/b"}, "path from / on"},
      {{"add", "v", "--ahead-file", "x=:"}, "path from / on"},
      {{"add", "v", "--ahead-variable", "db"}, "NAME=FILE"},
      {{"add", "v", "--ahead-command-line", "one"}, "--ahead-command-line"},
      {{"predict", "--pcrs", "sha256:77"}, "0 to 23"},
      {{"remove", "v", "x"}, "KEYSLOT"},
      {{"signatures", "v", root / "none"}, "none"},
      {{"backup-header", "v", "--out", "x"}, "--certificate"},
      {{"restore-header", "v", "--image", root / "none"}, "none"},
      {{"reencrypt", "v"}, "--recovery-file"},
      {{"erase", "v"}, "--uuid"},
      {{"erase", "v", "--uuid", "6f0a"}, "give --yes"},
      {{"units", "v", "--mount", "relative"}, "--mount"},
      {{"units", "v", "--mount", "/a/../b"}, "--mount"},
      {{"units", "v", "--mount", "/a%n"}, "--mount"},
      {{"units", "v", "--mount", "//"}, "--mount"},
      {{"units", "V;", "--mount", "/a"}, "NAME"},
      {{"units", "--mount", "/a", "--", "-v"}, "NAME"},
      {{"rekey", "v"}, "--recovery-file"},
      {{"restore-header", "v", "--image", root / "two", "--pin"}, "--pin"},
  };
  for (const auto& [arguments, what] : wrong) {
    const Ran ran = RunVolumes(arguments);
    EXPECT_EQ(ran.exit, 2) << ::testing::PrintToString(arguments) << ran.err;
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_THAT(ran.err, HasSubstr(what)) << ::testing::PrintToString(arguments);
  }
  // What a call that failed was to write is not there.
  EXPECT_FALSE(std::filesystem::exists(root / "r"));
  EXPECT_EQ(RunVolumes({"format", "v", "/d", "--yes", "--recovery-file", root / "r"}).exit, 3);
  EXPECT_FALSE(std::filesystem::exists(root / "r"));
}

TEST(VolumeCommands, AskAPersonBeforeDataIsLost) {
  const std::vector<std::string> format = {"format", "v", "/dev/s\033", "--output", "json"};
  const Ran no = RunVolumes(format, "n\n", true);
  EXPECT_EQ(no.exit, 1);
  EXPECT_THAT(no.err, HasSubstr("Make a volume of /dev/s\\x1b? All that is on it is lost."));
  EXPECT_EQ(RunVolumes(format, "y\n", true).exit, 3);
  const std::vector<std::string> erase = {"erase", "v", "--uuid", "6f0a"};
  EXPECT_EQ(RunVolumes(erase, "", true).exit, 1);
  EXPECT_EQ(RunVolumes(erase, "yes\n", true).exit, 3);
}

TEST(SecretInput, AreReadFromStandardInputTheTerminalAndFiles) {
  std::istringstream in("first\nsecond\nsecond\nthird\nno\n" + std::string(2000, 'x'));
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{in, out, err, true, false};
  EXPECT_EQ(AsText(ReadSecretLine(terminal, "PIN")->view()), "first");
  EXPECT_EQ(AsText(AskSecret(terminal, "New PIN", true)->view()), "second");
  EXPECT_EQ(err.str(), "New PIN: \nNew PIN again: \n");
  EXPECT_THAT(AskSecret(terminal, "PIN", true),
              testing::Fails(Code::kInvalidArgument, "SECRETS_DIFFER"));
  EXPECT_THAT(ReadSecretLine(terminal, "PIN"),
              testing::Fails(Code::kInvalidArgument, "SECRET_TOO_LONG"));

  const TempRoot root;
  std::ofstream(root / "secret") << "a line\n";
  EXPECT_EQ(AsText(ReadSecretFile(root / "secret", true)->view()), "a line");
  EXPECT_EQ(AsText(ReadSecretFile(root / "secret", false)->view()), "a line\n");
  std::ofstream(root / "large") << std::string(70'000, 'x');
  EXPECT_THAT(ReadSecretFile(root / "large", false),
              testing::Fails(Code::kInvalidArgument, "SECRET_TOO_LONG"));
}

TEST(SecretInput, NothingOfASecretStaysInAMessage) {
  v1::FormatVolumeRequest request;
  request.set_name("docker");
  request.add_ways_in()->set_pin("1234");
  const char* pin = request.ways_in(0).pin().data();
  CleansedAtEnd::Cleanse(request);
  EXPECT_EQ(request.name(), "docker");
  EXPECT_THAT(request.ways_in(0).pin(), IsEmpty());
  EXPECT_EQ(std::string(pin, 4), std::string(4, '\0'));
  v1::TestVolumeRequest test;
  test.mutable_secret()->set_recovery_key(std::string(71, 'k'));
  const char* key = test.secret().recovery_key().data();
  {
    const CleansedAtEnd cleansed(test);
  }
  EXPECT_THAT(std::string(key, 71), Not(HasSubstr("k")));
}

class RecoveryTest : public ::testing::Test {
 protected:
  Outcome Deliver(const RecoveryOptions& options, Format format = Format::kText) {
    Terminal terminal{in_, out_, err_, true, false, true};
    Session session({}, format, terminal);
    RecoveryOutput output(session, options);
    std::string certificates;
    if (Outcome outcome = output.Prepare(certificates); !outcome.ok()) return outcome;
    return output.Deliver(key_, cms_);
  }

  const TempRoot root_;
  std::istringstream in_;
  std::ostringstream out_, err_;
  std::string key_ = "htnutitr-ivbneuud";
  std::string cms_;
};

TEST_F(RecoveryTest, IsShownOnTheTerminalAndNotOnStandardOutput) {
  EXPECT_TRUE(Deliver({}).ok());
  EXPECT_THAT(err_.str(), HasSubstr("\n    htnutitr-ivbneuud\n"));
  EXPECT_EQ(out_.str(), "");
  err_.str("");
  EXPECT_TRUE(Deliver({}, Format::kJson).ok());
  EXPECT_EQ(err_.str() + out_.str(), "");
  EXPECT_EQ(key_, "htnutitr-ivbneuud");  // the answer has it
}

TEST_F(RecoveryTest, GoesIntoAFileOfItsOwnersOrEncryptedToStandardOutput) {
  EXPECT_TRUE(Deliver({.certificates = {}, .file = root_ / "key"}).ok());
  EXPECT_EQ(AsText(ReadFile(root_ / "key", 100).value()), "htnutitr-ivbneuud\n");
  EXPECT_EQ(std::filesystem::status(root_ / "key").permissions(), std::filesystem::perms(0600));
  EXPECT_THAT(key_ + err_.str(), IsEmpty());
  key_ = "another";
  EXPECT_EQ(Deliver({.certificates = {}, .file = root_ / "key"}).exit, ExitCode::kUsage);
  key_.clear();
  cms_ = "-----BEGIN CMS-----\n";
  out_.str("");
  std::ofstream(root_ / "certificate") << "a certificate";
  EXPECT_TRUE(Deliver({.certificates = {root_ / "certificate"}, .file = ""}).ok());
  EXPECT_EQ(out_.str(), "-----BEGIN CMS-----\n");
}

TEST_F(RecoveryTest, IsSeenWhereTheDiskIsFull) {
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full = {0, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  const Outcome outcome = Deliver({.certificates = {}, .file = root_ / "key"});
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(outcome.exit, ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("htnutitr-ivbneuud"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "key"));
}

// A shell's answer to `script`, in which ctl's units are in the folder "u" of the working folder.
std::string Shell(const TempRoot& root, const std::string& script) {
  return testing::OutputOf("cd " + root / "" + " && { " + script + "; } 2>&1").text;
}

TEST(VolumeUnits, AreNamedAsSystemdNamesThem) {
  const TempRoot root;
  for (const std::string path : {"/var/lib/docker/", "/srv//a-b/.c", "/.x/y_z", "/a@b=c,d+e:f"}) {
    EXPECT_EQ(EscapePath(path) + "\n", Shell(root, "systemd-escape --path " + path)) << path;
  }
}

// systemd is the judge; the daemon's unit is the one that is shipped.
TEST(VolumeUnits, AreFineToSystemdAndWithoutCycle) {
  const TempRoot root;
  const Ran ran = RunVolumes(
      {"units", "my-docker", "--mount", "/var//lib/my-docker/", "--docker", "--out", root / "u"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("wrote " + root / "u/docker.service.d/10-seaworthy-volume.conf"));
  EXPECT_TRUE(std::filesystem::exists(root / "u/var-lib-my\\x2ddocker.mount"));
  // Programs that are not installed here would be all that is found.
  Shell(root, "cp " SOURCE_DIR
              "/systemd/seaworthyd.service u && "
              "printf '[Unit]\\nRequires=docker.socket\\n[Service]\\nExecStart=/bin/true\\n' "
              "> u/docker.service && "
              "printf '[Socket]\\nListenStream=/run/docker.sock\\n' > u/docker.socket && "
              "sed -i 's,=/usr/s\\?bin/seaworthy[^ ]*,=/bin/true,' u/*.service");
  const std::string verify = "SYSTEMD_UNIT_PATH=" + root / "u" +
                             ": systemd-analyze verify --man=no --recursive-errors=yes ";
  const std::string units =
      "seaworthyd.service docker.service 'seaworthy-volume@my-docker.service' "
      "'var-lib-my\\x2ddocker.mount' ";
  EXPECT_EQ(Shell(root, verify + units + "&& echo fine"), "fine\n");
  // The judge is awake: an ordinary mount waits for what waits for it.
  Shell(root, "sed -i /DefaultDependencies/d u/*.mount");
  EXPECT_THAT(Shell(root, verify + units), HasSubstr("ordering cycle"));
}

TEST(VolumeUnits, ArePrintedForAPersonAndAScript) {
  const Ran text = RunVolumes({"units", "docker", "--mount", "/var/lib/docker"});
  EXPECT_EQ(text.exit, 0);
  EXPECT_THAT(text.out, HasSubstr("\n# /etc/systemd/system/var-lib-docker.mount\n[Unit]\n"));
  EXPECT_THAT(text.out, HasSubstr("\nWhat=/dev/mapper/docker\nWhere=/var/lib/docker\n"));
  EXPECT_THAT(text.out, Not(HasSubstr("docker.service.d")));
  const Ran json = RunVolumes({"units", "docker", "--mount", "/d", "--docker", "--output", "json"});
  const auto units = nlohmann::json::parse(json.out)["units"];
  ASSERT_EQ(units.size(), 3U);
  EXPECT_EQ(units[2]["path"], "docker.service.d/10-seaworthy-volume.conf");
  EXPECT_THAT(std::string(units[2]["content"]), HasSubstr("\nAssertPathIsMountPoint=/d\n"));
}

}  // namespace
}  // namespace seaworthy::ctl
