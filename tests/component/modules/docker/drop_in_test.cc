// Drop-ins as systemd itself reads them: it loads the units in a folder, and says what it would
// run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "modules/docker/hardening/engine_command.h"
#include "support/program.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAreArray;
using ::testing::SizeIs;

// A character behind a backslash, as systemd writes it; `at` is on the backslash, and then on its
// last character.
char Unescape(const std::string& text, std::size_t& at) {
  const char kind = text.at(++at);
  constexpr std::string_view kLetters = "abfnrtv";
  constexpr std::string_view kMeant = "\a\b\f\n\r\t\v";
  if (const std::size_t letter = kLetters.find(kind); letter != kLetters.npos)
    return kMeant[letter];
  const int base = kind == 'x' ? 16 : 8;
  if (kind != 'x' && (kind < '0' || kind > '7')) return kind;
  const std::size_t begin = kind == 'x' ? at + 1 : at;
  const std::size_t size = kind == 'x' ? 2 : 3;
  unsigned number = 0;
  std::from_chars(text.data() + begin, text.data() + begin + size, number, base);
  at = begin + size - 1;
  return static_cast<char>(number);
}

// Words as systemd shows them; "$$" is the "$" that is left when it starts the program.
std::vector<std::string> WordsOf(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '\\') {
      words.back() += Unescape(line, at);
    } else if (c == ' ' && !quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  for (std::string& word : words) {
    for (std::size_t at = word.find("$$"); at != std::string::npos; at = word.find("$$", at + 1)) {
      word.erase(at, 1);
    }
  }
  return words;
}

class DropIn : public ::testing::Test {
 protected:
  DropIn() {
    fs::permissions(units_.path(), fs::perms(0755));
    fs::create_directory(units_ / "docker.service.d");
    Write("docker.service",
          "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/sbin/dockerd --icc\n");
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(units_ / name) << text;
  }
  void WriteOurs(const std::vector<std::string>& arguments) {
    const Result<std::string> text = MakeDropIn("/usr/sbin/dockerd", arguments);
    ASSERT_TRUE(text.ok()) << text.status();
    const std::string path = DropInPath("docker.service");
    Write("docker.service.d/" + fs::path(path).filename().string(), *text);
  }

  // Each command that the unit is started by.
  std::vector<std::vector<std::string>> Commands() {
    const std::string shown =
        testing::OutputOf(
            "setpriv --reuid 65534 --regid 65534 --clear-groups env -i "
            "SYSTEMD_UNIT_PATH=" +
            units_.path().string() +
            " timeout 60 /lib/systemd/systemd --test --system --unit=docker.service "
            "--no-pager 2>&1")
            .text;
    std::vector<std::vector<std::string>> commands;
    constexpr std::string_view kBefore = "Command Line: ";
    for (std::size_t at = shown.find(kBefore); at != std::string::npos;
         at = shown.find(kBefore, at + 1)) {
      const std::size_t begin = at + kBefore.size();
      commands.push_back(WordsOf(shown.substr(begin, shown.find('\n', begin) - begin)));
    }
    EXPECT_FALSE(commands.empty()) << shown.substr(0, 2000);
    return commands;
  }

  const testing::TempRoot units_;
};

TEST_F(DropIn, SaysEachArgumentAsItIs) {
  std::vector<std::string> arguments = {"/usr/sbin/dockerd",
                                        "-H",
                                        "fd://",
                                        "--label=a=$HOME ${HOME} $$ %n %% %",
                                        "--label",
                                        R"(b="c\d" 'e' \x41 \n)",
                                        ";",
                                        "\\;",
                                        "--label=\xc3\xa9\xff\x01\t\n\x7f",
                                        "",
                                        "'",
                                        "#",
                                        "--log-opt=tag={{.Name}}/{{.ID}}|&;<>()*?[]~`!"};
  WriteOurs({arguments.begin() + 1, arguments.end()});
  const std::vector<std::vector<std::string>> commands = Commands();
  ASSERT_THAT(commands, SizeIs(1));
  EXPECT_THAT(commands[0], ElementsAreArray(arguments));
}

// Each byte but NUL, alone and among others.
TEST_F(DropIn, SaysEachByte) {
  std::vector<std::string> arguments = {"/usr/sbin/dockerd"};
  for (int byte = 1; byte < 256; ++byte) {
    arguments.emplace_back(1, static_cast<char>(byte));
    arguments.push_back("a" + arguments.back() + "1");
  }
  WriteOurs({arguments.begin() + 1, arguments.end()});
  const std::vector<std::vector<std::string>> commands = Commands();
  ASSERT_THAT(commands, SizeIs(1));
  EXPECT_THAT(commands[0], ElementsAreArray(arguments));
}

TEST_F(DropIn, OthersThatComeLaterHaveTheLastWord) {
  const std::string looked_at = units_ / "etc/systemd/system/docker.service.d";
  fs::create_directories(fs::path(looked_at).parent_path());
  const Result<os::RootFolder> root = os::RootFolder::Open(units_.path().string());
  ASSERT_TRUE(root.ok());
  WriteOurs({"--debug"});
  for (const std::string name : {"10-a.conf", "50-seaworthy-b.conf", "override.conf"}) {
    Write("docker.service.d/" + name,
          "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --ipv6\n");
    fs::copy(units_ / "docker.service.d", looked_at);
    const Result<std::optional<std::string>> later = FindLaterDropIn(*root, "docker.service");
    ASSERT_TRUE(later.ok()) << later.status();
    const std::vector<std::vector<std::string>> commands = Commands();
    ASSERT_THAT(commands, SizeIs(1));
    EXPECT_EQ(later->has_value(), commands[0].back() == "--ipv6") << name;
    fs::remove(units_ / ("docker.service.d/" + name));
    fs::remove_all(looked_at);
  }
}

}  // namespace
}  // namespace seaworthy::docker
