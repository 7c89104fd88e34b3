#include "modules/docker/image_history.h"

#include <algorithm>
#include <cctype>

#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kShell = "/bin/sh -c ";
constexpr std::string_view kNoRun = "#(nop)";
constexpr std::string_view kSpace = " \t\r\n";

std::string_view WithoutSpace(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text;
}

// Split at spaces and at what separates a shell's commands, which is a word of its own: ";".
std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (const char c : text) {
    const bool separates = c == ';' || c == '&' || c == '|' || c == '\n' || c == '(' || c == ')';
    if (separates || c == ' ' || c == '\t' || c == '\r') {
      end_word();
      if (separates) words.emplace_back(";");
    } else {
      word += c;
    }
  }
  end_word();
  return words;
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool IsPackageTool(std::string_view word) {
  word.remove_prefix(word.rfind('/') == std::string_view::npos ? 0 : word.rfind('/') + 1);
  return IsOneOf(word, {"apt", "apt-get", "aptitude", "apk", "dnf", "microdnf", "yum", "zypper"});
}

// Of yum and dnf, "update" installs.
bool FetchesList(std::string_view tool, std::string_view command) {
  if (tool.ends_with("yum") || tool.ends_with("dnf")) return command == "makecache";
  return IsOneOf(command, {"update", "refresh", "ref"});
}

bool Installs(std::string_view command) {
  return IsOneOf(command, {"add", "build-dep", "dist-upgrade", "dup", "full-upgrade", "in",
                           "install", "safe-upgrade", "update", "upgrade"});
}

bool IsSecretName(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  constexpr std::string_view kEnds[] = {"ACCESS_KEY", "API_KEY",  "APIKEY",      "PASSPHRASE",
                                        "PASSWD",     "PASSWORD", "PRIVATE_KEY", "SECRET",
                                        "SECRET_KEY", "TOKEN"};
  return std::ranges::any_of(kEnds, [&](std::string_view end) { return name.ends_with(end); });
}

bool IsName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
}

}  // namespace

Instruction ParseInstruction(std::string_view created_by) {
  std::string_view text = WithoutSpace(created_by);
  if (text.empty()) return {};
  if (text.starts_with(kShell)) {
    const std::string_view command = WithoutSpace(text.substr(kShell.size()));
    if (!command.starts_with(kNoRun)) return {"RUN", std::string(command)};
    text = WithoutSpace(command.substr(kNoRun.size()));
  }
  // "|1 NAME=value /bin/sh -c ...": a RUN with build arguments.
  if (text.starts_with('|')) return {"RUN", std::string(text)};
  const std::size_t end = std::min(text.find_first_of(kSpace), text.size());
  const std::string word(text.substr(0, end));
  const bool is_word =
      std::ranges::all_of(word, [](unsigned char c) { return std::isupper(c) != 0; });
  if (!is_word) return {"", std::string(text)};
  return {word, std::string(WithoutSpace(text.substr(end)))};
}

std::vector<Instruction> Instructions(const json& history) {
  std::vector<Instruction> instructions;
  if (!history.is_array()) return instructions;
  for (const json& entry : history) {
    instructions.push_back(ParseInstruction(Text(At(entry, {"CreatedBy"}))));
  }
  std::ranges::reverse(instructions);
  return instructions;
}

bool IsLoneUpdate(const Instruction& instruction) {
  if (instruction.word != "RUN") return false;
  bool fetches = false;
  std::string tool;
  for (const std::string& word : Words(instruction.rest)) {
    if (word == ";") {
      tool.clear();
    } else if (tool.empty()) {
      if (IsPackageTool(word)) tool = word;
    } else if (FetchesList(tool, word)) {
      fetches = true;
    } else if (Installs(word)) {
      return false;
    }
  }
  return fetches;
}

std::vector<std::string> SecretNames(std::string_view words) {
  std::vector<std::string> names;
  for (const std::string& word : Words(words)) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = word.substr(0, equals);
    std::string_view value = std::string_view(word).substr(equals + 1);
    while (value.starts_with('"') || value.starts_with('\'')) value.remove_prefix(1);
    // A variable, a command's output, a file: the secret is elsewhere.
    if (value.empty() || IsOneOf(value.substr(0, 1), {"$", "`", "/", "\"", "'"})) continue;
    if (IsName(name) && IsSecretName(name) && std::ranges::find(names, name) == names.end()) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace seaworthy::docker
