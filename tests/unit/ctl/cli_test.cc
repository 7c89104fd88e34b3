#include "ctl/cli.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ctl/command.h"
#include "ctl/completion.h"
#include "seaworthy/directory.h"
#include "support/temp_root.h"
#include "unit/ctl/run_ctl.h"

namespace seaworthy::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::TempRoot;

const std::string kNonce(32, 'a');

TEST(Cli, HelpAndVersionAreAnswers) {
  EXPECT_EQ(RunCtl({"--help"}).exit, 0);
  EXPECT_THAT(RunCtl({"--help"}).out, HasSubstr("Exit codes: 0 done"));
  EXPECT_EQ(RunCtl({"key", "sign", "--help"}).exit, 0);
  EXPECT_THAT(RunCtl({"key", "sign", "--help"}).out, HasSubstr("Examples:"));
  EXPECT_THAT(RunCtl({"--version"}).out, StartsWith("seaworthyctl 0."));
  EXPECT_EQ(RunCtl({"--version"}).exit, 0);
}

TEST(Cli, WrongUsageIsTwoWithOneSentenceAndNothingOnStandardOutput) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"bogus"},
      {"key"},
      {"key", "bogus"},
      {"key", "create"},
      {"key", "create", "a", "b"},
      {"key", "create", "a", "--algorithm", "dsa"},
      {"key", "create", "a", "--pcrs", "sha256:99"},
      {"key", "create", "a", "--pcrs", "sha1:0+sha256:0"},
      {"key", "sign", "a"},
      {"key", "sign", "a", "--stdin", "--digest", "00"},
      {"key", "sign", "a", "--digest", "00ff"},
      {"key", "sign", "a", "--file", "/nonexistent"},
      {"key", "csr", "a"},
      {"key", "install", "a", "--chain", "/nonexistent"},
      {"key", "certify", "a", "--nonce", kNonce},
      {"key", "delete", "a"},
      {"quote", "--nonce", "00", "--out", "x"},
      {"quote", "--nonce", kNonce},
      {"verify", "--evidence", "x", "--nonce", kNonce},
      {"verify", "--evidence", "/nonexistent", "--nonce", kNonce, "--ak-name", "00"},
      {"verify", "--evidence", "x", "--nonce", kNonce, "--ak-name", "00", "--ak", "y"},
      {"verify", "--evidence", "x", "--nonce", kNonce, "--ak-name", "0"},
      {"verify", "--evidence", "x", "--nonce", kNonce, "--ak-name", "00", "--nonce-age", "1"},
      {"status", "--output", "xml"},
      {"status", "--timeout", "0"},
      {"status", "--address", "localhost:1"},
      {"status", "--ca", "x"},
      {"completion", "fish"},
  };
  for (const auto& arguments : wrong) {
    const Ran ran = RunCtl(arguments);
    EXPECT_EQ(ran.exit, 2) << ::testing::PrintToString(arguments) << ran.err;
    EXPECT_THAT(ran.out, IsEmpty()) << ::testing::PrintToString(arguments);
    EXPECT_THAT(ran.err, StartsWith("seaworthyctl: ")) << ::testing::PrintToString(arguments);
  }
  EXPECT_THAT(RunCtl({"bogus"}).err, HasSubstr("unknown command: bogus"));
  EXPECT_THAT(RunCtl({"key", "bogus"}).err, HasSubstr("See: seaworthyctl key --help"));
}

TEST(Cli, UnreachableIsThree) {
  const TempRoot root;
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"status"}, {"health"}, {"events"}, {"key", "list"}, {"ak"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--socket", root / "none"});
    const Ran ran = RunCtl(arguments);
    EXPECT_EQ(ran.exit, 3) << command.front();
    EXPECT_THAT(ran.err, StartsWith("seaworthyctl: no daemon listens on " + root / "none"));
  }
}

TEST(Cli, TheSocketMayComeFromTheEnvironment) {
  const TempRoot root;
  setenv("SEAWORTHY_SOCKET", (root / "from-environment").c_str(), 1);
  const Ran ran = RunCtl({"status"});
  unsetenv("SEAWORTHY_SOCKET");
  EXPECT_THAT(ran.err, HasSubstr(root / "from-environment"));
}

TEST(Cli, ErrorsAreJsonWhenJsonIsAskedForAlsoInWrongUsage) {
  const TempRoot root;
  const Ran unreachable = RunCtl({"--output", "json", "status", "--socket", root / "none"});
  EXPECT_EQ(unreachable.exit, 3);
  EXPECT_THAT(unreachable.out, IsEmpty());
  const auto error = nlohmann::json::parse(unreachable.err)["error"];
  EXPECT_EQ(error["code"], "UNAVAILABLE");
  EXPECT_EQ(error["reason"], "DAEMON_NOT_RUNNING");
  EXPECT_EQ(error["request_id"], "");

  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"bogus", "--output", "json"},
        {"key", "list", "--output=json", "x"}}) {
    const Ran usage = RunCtl(arguments);
    EXPECT_EQ(usage.exit, 2);
    EXPECT_EQ(nlohmann::json::parse(usage.err)["error"]["reason"], "USAGE");
  }
}

TEST(Cli, DeleteAsksAPerson) {
  const Ran no = RunCtl({"key", "delete", "old\033[2J"}, "n\n", true);
  EXPECT_EQ(no.exit, 1);
  EXPECT_THAT(no.err, HasSubstr("Destroy the key \"old\\x1b[2J\""));
  EXPECT_EQ(RunCtl({"key", "delete", "old"}, "", true).exit, 1);
  const TempRoot root;
  // Yes goes on to the daemon, which is not there.
  EXPECT_EQ(RunCtl({"key", "delete", "old", "--socket", root / "s"}, "y\n", true).exit, 3);
  EXPECT_EQ(RunCtl({"key", "delete", "old", "--yes", "--socket", root / "s"}).exit, 3);
}

TEST(Cli, EvidenceThatIsNoneIsNotTrusted) {
  const TempRoot root;
  ASSERT_TRUE(ReplaceFile(root / "evidence", AsBytes("\xff\xff\xff"), 0600).ok());
  const std::vector<std::string> arguments = {"verify", "--evidence", root / "evidence", "--nonce",
                                              kNonce,   "--ak-name",  "000b000000"};
  const Ran text = RunCtl(arguments);
  EXPECT_EQ(text.exit, 1);
  EXPECT_THAT(text.out, HasSubstr("NOT trusted: MALFORMED"));
  EXPECT_THAT(text.err, IsEmpty());
  std::vector<std::string> with_json = arguments;
  with_json.insert(with_json.end(), {"--output", "json"});
  const Ran json = RunCtl(with_json);
  EXPECT_EQ(json.exit, 1);
  const auto verdict = nlohmann::json::parse(json.out);
  EXPECT_EQ(verdict["trusted"], false);
  EXPECT_EQ(verdict["findings"][0]["code"], "MALFORMED");
}

// What completes "words...", the last of them unfinished, as bash itself says.
std::string Complete(const TempRoot& root, const std::string& words) {
  std::ofstream(root / "ctl.bash")
      << RunCtl({"completion", "bash"}).out << "COMP_WORDS=(seaworthyctl " << words << ")\n"
      << "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
      << "seaworthyctl() { echo tls; echo other; }\n"
      << "_seaworthyctl_bash; echo \"${COMPREPLY[*]}\"\n";
  FILE* pipe = popen(("bash -u " + root / "ctl.bash").c_str(), "r");
  char line[4096] = "";
  const bool got = fgets(line, sizeof(line), pipe) != nullptr;
  EXPECT_EQ(pclose(pipe), 0);
  EXPECT_TRUE(got);
  return line;
}

TEST(Completion, KnowsCommandsOptionsValuesAndKeys) {
  const TempRoot root;
  EXPECT_EQ(Complete(root, "st"), "status\n");
  EXPECT_EQ(Complete(root, "key cre"), "create\n");
  EXPECT_EQ(Complete(root, "key create --al"), "--algorithm\n");
  EXPECT_EQ(Complete(root, "key create --algorithm rsa"), "rsa-2048 rsa-3072\n");
  EXPECT_EQ(Complete(root, "key sign --di"), "--digest\n");
  EXPECT_EQ(Complete(root, "key show t"), "tls\n");
  EXPECT_EQ(Complete(root, "key list t"), "\n");
  EXPECT_EQ(Complete(root, "--output json sta"), "status\n");
  EXPECT_EQ(Complete(root, "events --out"), "--output\n");
  EXPECT_EQ(Complete(root, "completion b"), "bash\n");
}

void NamesOf(const CLI::App& app, const std::string& path, std::vector<std::string>& names) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty()) names.push_back(path + command->get_name());
    NamesOf(*command, command->get_name().empty() ? path : path + command->get_name() + " ", names);
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
}

TEST(Documentation, NamesEveryCommandAndOption) {
  CommandLine line;
  std::vector<std::string> names;
  NamesOf(*MakeCommandLine(line), "", names);
  ASSERT_GT(names.size(), 40U);
  const Result<Bytes> page = ReadFile(SOURCE_DIR "/docs/seaworthyctl.md", 1024 * 1024);
  ASSERT_TRUE(page.ok());
  for (const std::string& name : names) {
    EXPECT_THAT(std::string(AsText(*page)), HasSubstr(name));
  }
}

}  // namespace
}  // namespace seaworthy::ctl
