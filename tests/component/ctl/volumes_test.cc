// Volumes in files as an operator has them: the daemon, its command line and a software TPM;
// openssl and cryptsetup say whether what comes out is what it should be.
#include <gmock/gmock.h>
#include <pty.h>
#include <sys/file.h>
#include <termios.h>

#include "component/ctl/node.h"
#include "seaworthy/handle.h"

namespace seaworthy::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// What a person sees of a program, and types.
class Person {
 public:
  explicit Person(const Words& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    int terminal = -1;
    pid_ = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      execv(argv[0], argv.data());
      _exit(127);
    }
    terminal_.reset(terminal);
  }

  // Waits for a question, and for the echo to be off when it is for a secret.
  bool SeesPrompt(std::string_view prompt, bool silent) {
    while (seen_.find(prompt) == std::string::npos) {
      if (!Read()) return false;
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (Echo() == silent && std::chrono::steady_clock::now() < deadline) poll(nullptr, 0, 5);
    return Echo() != silent;
  }
  void Types(const std::string& text) {
    EXPECT_EQ(write(terminal_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  int WaitForExit() {
    while (Read()) {
    }
    int status = 0;
    return waitpid(pid_, &status, 0) == pid_ && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  const std::string& seen() const { return seen_; }
  bool Echo() const {
    termios now = {};
    return tcgetattr(terminal_.get(), &now) == 0 && (now.c_lflag & ECHO) != 0;
  }

 private:
  bool Read() {
    pollfd ready = {terminal_.get(), POLLIN, 0};
    char piece[1024];
    if (poll(&ready, 1, 20'000) <= 0) return false;
    const ssize_t size = read(terminal_.get(), piece, sizeof(piece));
    if (size > 0) seen_.append(piece, static_cast<std::size_t>(size));
    return size > 0;
  }

  UniqueFd terminal_;
  pid_t pid_ = -1;
  std::string seen_;
};

class VolumesTest : public ::testing::Test {
 protected:
  Ran Ctl(Words arguments) const {
    arguments.insert(arguments.begin(), "volumes");
    return node_.Ctl(arguments);
  }
  Words Line(Words arguments) const {
    arguments.insert(arguments.begin(), {SEAWORTHYCTL, "--socket", File("admin/s"), "volumes"});
    return arguments;
  }
  std::string File(std::string_view name) const { return node_ / name; }
  std::string Disk(const std::string& name) const {
    const std::string path = File(name);
    std::ofstream(path, std::ios::trunc);
    std::filesystem::resize_file(path, std::uint64_t{24} << 20);
    return path;
  }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(File(name), std::ios::trunc) << content;
  }
  // Exit code 0, or why not.
  void Do(const Words& arguments) const {
    const Ran ran = Ctl(arguments);
    EXPECT_EQ(ran.exit, 0) << ::testing::PrintToString(arguments) << ran.out << ran.err;
  }
  void Refused(const Words& arguments, const std::string& reason) const {
    const Ran ran = Ctl(arguments);
    EXPECT_EQ(ran.exit, 4) << ::testing::PrintToString(arguments) << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("[" + reason + "]"));
  }
  int Test(const Words& by = {}) const {
    Words words = {"test", "data"};
    words.insert(words.end(), by.begin(), by.end());
    return Ctl(words).exit;
  }
  Words RecoveryKey(const std::string& file) const {
    return {"--recovery-key", "--secret-file", File(file)};
  }
  void MakeData() const {
    Do({"format", "data", Disk("disk"), "--yes", "--recovery-file", File("key")});
  }
  void Certificate() const {
    ASSERT_EQ(
        RunProgram({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=IT",
                    "-days", "1", "-keyout", File("it.key"), "-out", File("it.pem")})
            .exit,
        0);
  }
  void Decrypt(const std::string& from, const std::string& to) const {
    const Ran ran = RunProgram({"openssl", "cms", "-decrypt", "-inform", "PEM", "-binary", "-in",
                                File(from), "-inkey", File("it.key"), "-out", File(to)});
    EXPECT_EQ(ran.exit, 0) << ran.err;
  }
  void PlatformChanges() {
    node_.Restart([this] {
      EXPECT_EQ(RunProgram({"tpm2_pcrextend", "-T", node_.tpm().tcti(),
                            "7:sha256=" + std::string(64, '1')})
                    .exit,
                0);
    });
  }

  Node node_;
};

TEST_F(VolumesTest, IsSealedToThePlatformRefusedAfterAChangeAndRefreshed) {
  const Ran made = Ctl({"format", "data", Disk("disk"), "--yes", "--recovery-file", File("key")});
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_THAT(made.out, StartsWith("wrote the recovery key to " + File("key") + "\n"));
  EXPECT_EQ(std::filesystem::status(File("key")).permissions(), std::filesystem::perms(0600));
  const std::string key = Content(File("key"));
  EXPECT_THAT(key, ::testing::MatchesRegex("([cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}\n"));
  EXPECT_THAT(made.out + made.err, Not(HasSubstr(key.substr(0, 8))));
  EXPECT_THAT(RunProgram({"cryptsetup", "luksDump", File("disk")}).out,
              AllOf(HasSubstr("systemd-tpm2"), HasSubstr("systemd-recovery")));

  EXPECT_THAT(Ctl({"show", "data"}).out, ContainsRegex("0 +TPM +sha256:7 as sealed +fits\n"));
  EXPECT_EQ(Ctl({"list", "--names"}).out, "data\n");
  EXPECT_EQ(Ctl({"test", "data"}).out, "opens by keyslot 0; the header is the one that we left\n");

  PlatformChanges();
  const Ran refused = Ctl({"test", "data"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.out, AllOf(StartsWith("does not open: "), HasSubstr("[PCR_POLICY_UNMET]\n  "),
                                 ContainsRegex("\n  .*PCR 7")));
  EXPECT_THAT(Ctl({"show", "data"}).out, HasSubstr("does not fit\n"));
  EXPECT_THAT(Ctl({"list"}).out, HasSubstr("the TPM would not open it now"));
  const Ran open = Ctl({"open", "data"});
  EXPECT_EQ(open.exit, 1);  // a policy's answer
  EXPECT_THAT(open.err, HasSubstr("PCR 7"));
  EXPECT_EQ(Test(RecoveryKey("key")), 0);

  std::string wrong = key;
  wrong[0] = key[0] == 'c' ? 'b' : 'c';
  Write("wrong", wrong);
  EXPECT_EQ(Test(RecoveryKey("wrong")), 1);
  EXPECT_EQ(Ctl({"open", "data", "--recovery-key", "--secret-file", File("wrong")}).exit, 4);
  Write("wrong", "not a recovery key");
  EXPECT_EQ(Ctl({"open", "data", "--recovery-key", "--secret-file", File("wrong")}).exit, 4);

  const Words refresh = {"refresh", "data", "--recovery-key", "--secret-file", File("key")};
  Refused(refresh, "CHANGE_NOT_EXPLAINED");
  Words unexplained = refresh;
  unexplained.emplace_back("--unexplained");
  const Ran refreshed = Ctl(unexplained);
  EXPECT_EQ(refreshed.exit, 0) << refreshed.err;
  EXPECT_THAT(refreshed.out, AllOf(ContainsRegex("what differed:\n  .*PCR 7"),
                                   ContainsRegex("added keyslot [0-9]+\ntook away keyslot 0\n")));
  EXPECT_EQ(Test(), 0);
}

TEST_F(VolumesTest, WaysInComeAndGoAndTheHeaderIsKeptElsewhere) {
  MakeData();
  Certificate();
  Do({"add-recovery", "data", "--recovery-certificate", File("it.pem"), "--recovery-file",
      File("cms")});
  Decrypt("cms", "key2");
  EXPECT_EQ(Test(RecoveryKey("key2")), 0);
  Do({"remove", "data", "1"});
  EXPECT_EQ(Test(RecoveryKey("key")), 1);
  Write("pin", "1234\n");
  Do({"add", "data", "--pcrs", "sha256:7,14", "--pin-file", File("pin")});
  EXPECT_THAT(Ctl({"show", "data"}).out, HasSubstr("sha256:7,14 as sealed, PIN"));
  EXPECT_EQ(Test({"--pin", "--secret-file", File("pin")}), 0);
  Do({"rotate", "data"});
  EXPECT_EQ(Test(), 0);
  Refused({"remove", "data", "17"}, "KEYSLOT_NOT_FOUND");
  Write("signatures", "{");
  Refused({"signatures", "data", File("signatures")}, "POLICY_SIGNATURE_MALFORMED");
  Do({"rekey", "data", "--recovery-file", File("key3")});
  EXPECT_EQ(Test(RecoveryKey("key2")), 1);
  EXPECT_EQ(Test(RecoveryKey("key3")), 0);

  Do({"backup-header", "data", "--certificate", File("it.pem"), "--out", File("backup")});
  EXPECT_EQ(std::filesystem::status(File("backup")).permissions(), std::filesystem::perms(0600));
  Decrypt("backup", "header");
  EXPECT_THAT(RunProgram({"cryptsetup", "luksDump", File("header")}).out,
              HasSubstr("systemd-recovery"));
  // Other programs' changes are refused until they are accepted.
  Write("passphrase", "by\nhand\n");  // all of it, as cryptsetup takes it
  Write("typed", Content(File("key3")).substr(0, 71));
  ASSERT_EQ(
      RunProgram({"cryptsetup", "luksAddKey", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations",
                  "1000", "--key-file", File("typed"), File("disk"), File("passphrase")})
          .exit,
      0);
  EXPECT_THAT(Ctl({"test", "data"}).out, HasSubstr("[HEADER_TAMPERED]"));
  const Ran accepted =
      Ctl({"accept-header", "data", "--recovery-key", "--secret-file", File("key3")});
  EXPECT_EQ(accepted.exit, 0) << accepted.err;
  EXPECT_THAT(accepted.out, HasSubstr("[HEADER_TAMPERED]"));
  EXPECT_EQ(Test(), 0);
  EXPECT_EQ(Test({"--passphrase", "--unguarded", "--secret-file", File("passphrase")}), 0);
  const Ran restored = Ctl({"restore-header", "data", "--image", File("header"), "--recovery-key",
                            "--secret-file", File("key3")});
  EXPECT_EQ(restored.exit, 0) << restored.err;
  EXPECT_EQ(Test({"--passphrase", "--unguarded", "--secret-file", File("passphrase")}), 1);
  EXPECT_EQ(Test(), 0);

  const Ran anew = Ctl({"reencrypt", "data", "--recovery-file", File("key4")});
  EXPECT_EQ(anew.exit, 0) << anew.err;
  EXPECT_THAT(anew.out, ContainsRegex("all [0-9]+ bytes are encrypted with a new key\n"));
  EXPECT_EQ(Test(RecoveryKey("key3")), 1);
  EXPECT_EQ(Test(RecoveryKey("key4")), 0);
  EXPECT_EQ(Test(), 0);
}

TEST_F(VolumesTest, WhatIsNotMeantIsRefused) {
  MakeData();
  for (const Words& words : {Words{"show", "none"}, {"test", "none"}, {"rotate", "none"}}) {
    Refused(words, "VOLUME_NOT_FOUND");
  }
  std::filesystem::copy_file(File("disk"), File("copy"));
  const Words again = {"format", "more", File("copy"), "--yes", "--recovery-file", File("key2")};
  Refused(again, "SIGNATURE_FOUND");
  EXPECT_FALSE(std::filesystem::exists(File("key2")));
  Words destroy = again;
  destroy.emplace_back("--destroy");
  Do(destroy);
  {
    const UniqueFd disk(open(File("disk").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(flock(disk.get(), LOCK_EX), 0);
    Refused({"rotate", "data"}, "DEVICE_IN_USE");
  }
  const std::string uuid = node_.Json({"volumes", "show", "data"})["uuid"];
  Refused({"erase", "more", "--uuid", uuid, "--yes"}, "OTHER_VOLUME");
  EXPECT_EQ(Ctl({"erase", "data", "--uuid", uuid}).exit, 2);  // nobody to ask
  Do({"erase", "data", "--uuid", uuid, "--yes"});
  EXPECT_NE(RunProgram({"cryptsetup", "isLuks", File("disk")}).exit, 0);
  Do({"close", "more"});
  Do({"forget", "more"});
  EXPECT_THAT(Ctl({"list"}).out, HasSubstr("no volumes yet"));
  EXPECT_EQ(RunProgram({"cryptsetup", "isLuks", File("copy")}).exit, 0);
  EXPECT_EQ(node_.Ctl({"volumes", "list"}, "read/s").exit, 0);
  EXPECT_THAT(node_.Ctl({"volumes", "test", "x"}, "read/s").err, HasSubstr("[ROLE_TOO_LOW]"));
}

TEST_F(VolumesTest, SecretsAreAskedForWithoutEchoAndShownOnce) {
  Disk("disk");
  Person format(Line({"format", "data", File("disk"), "--pin"}));
  ASSERT_TRUE(format.SeesPrompt("All that is on it is lost. [y/N] ", false)) << format.seen();
  format.Types("y\n");
  ASSERT_TRUE(format.SeesPrompt("New PIN: ", true)) << format.seen();
  format.Types("abc 123\n");
  ASSERT_TRUE(format.SeesPrompt("New PIN again: ", true)) << format.seen();
  format.Types("abc 123\n");
  ASSERT_EQ(format.WaitForExit(), 0) << format.seen();
  EXPECT_THAT(format.seen(), Not(HasSubstr("abc 123")));
  const std::size_t at = format.seen().find("\r\n    ") + 6;
  const std::string key = format.seen().substr(at, 71);
  Write("key", key);
  Write("pin", "abc 123");
  EXPECT_EQ(Test(RecoveryKey("key")), 0);
  EXPECT_EQ(Test({"--pin", "--secret-file", File("pin")}), 0);

  Person test(Line({"test", "data", "--recovery-key"}));
  ASSERT_TRUE(test.SeesPrompt("Recovery key: ", true)) << test.seen();
  test.Types(key + "\n");
  EXPECT_EQ(test.WaitForExit(), 0) << test.seen();
  EXPECT_THAT(test.seen(), Not(HasSubstr(key.substr(0, 8))));

  Person interrupted(Line({"test", "data", "--pin"}));
  ASSERT_TRUE(interrupted.SeesPrompt("PIN: ", true));
  interrupted.Types("abc\x03");
  EXPECT_EQ(interrupted.WaitForExit(), 2) << interrupted.seen();
  EXPECT_TRUE(interrupted.Echo());

  for (const char* file : {"audit/log", "err", "out"}) {
    EXPECT_THAT(Content(File(file)), AllOf(Not(HasSubstr(key)), Not(HasSubstr("abc 123"))));
  }
}

}  // namespace
}  // namespace seaworthy::testing
