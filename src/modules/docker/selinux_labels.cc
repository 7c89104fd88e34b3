#include "modules/docker/selinux_labels.h"

#include <charconv>
#include <optional>
#include <vector>

#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr int kCategories = 1024;

std::string_view Trim(std::string_view text, std::string_view what) {
  const std::size_t begin = text.find_first_not_of(what);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(what) - begin + 1);
}

// What stands after "KEY =" in the last such line.
std::string Value(std::string_view text, std::string_view key) {
  std::string value;
  for (const std::string_view raw : Split(text, '\n')) {
    const std::string_view line = Trim(raw, kSpace);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || line[0] == '#' || line[0] == ';') continue;
    if (Trim(line.substr(0, equals), kSpace) != key) continue;
    value = Trim(Trim(line.substr(equals + 1), kSpace), "\"");
  }
  return value;
}

struct Label {
  std::string_view type;
  std::string_view level;  // "s0:c1,c2"; empty in a policy without
};

std::optional<Label> Parse(std::string_view text) {
  std::vector<std::string_view> parts = Split(text, ':');
  if (parts.size() < 3) return std::nullopt;
  for (std::size_t i = 0; i < 3; ++i) {
    if (parts[i].empty()) return std::nullopt;
  }
  const std::size_t before = parts[0].size() + parts[1].size() + parts[2].size() + 3;
  return Label{parts[2], before < text.size() ? text.substr(before) : std::string_view()};
}

std::optional<int> Category(std::string_view text) {
  int number = 0;
  if (!text.starts_with('c')) return std::nullopt;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + 1, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number >= 0 && number < kCategories ? std::optional(number) : std::nullopt;
}

// A range ("s0-s0:c0.c1023") and a run of categories ("c0.c5") are no container's.
bool HasTwoCategories(std::string_view level) {
  const std::size_t colon = level.find(':');
  if (colon == std::string_view::npos) return false;
  const std::vector<std::string_view> parts = Split(level.substr(colon + 1), ',');
  if (parts.size() != 2 || level.substr(0, colon).find('-') != std::string_view::npos) return false;
  const std::optional<int> first = Category(parts[0]);
  const std::optional<int> second = Category(parts[1]);
  return first && second && *first != *second;
}

}  // namespace

std::string ParsePolicyType(std::string_view config) { return Value(config, "SELINUXTYPE"); }

ContainerContexts ParseContainerContexts(std::string_view text) {
  return {Value(text, "process"), Value(text, "file")};
}

std::string LabelOf(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of(std::string_view("\n\0", 2))));
}

std::string SelinuxType(std::string_view label) {
  const std::optional<Label> parsed = Parse(label);
  return parsed ? std::string(parsed->type) : "";
}

std::string WithLevel(std::string_view label, std::string_view level) {
  const std::optional<Label> parsed = Parse(label);
  if (!parsed) return std::string(label);
  const std::size_t end = static_cast<std::size_t>(parsed->type.data() - label.data());
  return std::string(label.substr(0, end + parsed->type.size())) + ":" + std::string(level);
}

Status CheckContainerLabel(std::string_view label, std::string_view type) {
  const auto refuse = [](const std::string& why) {
    return Fail(Code::kFailedPrecondition, "CONTAINER_LABEL", why);
  };
  const std::optional<Label> parsed = Parse(label);
  if (!parsed) return refuse("the process has no SELinux label");
  if (parsed->type != type) {
    return refuse("the process has the SELinux type " + std::string(parsed->type) + ", not " +
                  std::string(type));
  }
  if (!HasTwoCategories(parsed->level)) {
    return refuse("the process has the SELinux level \"" + std::string(parsed->level) +
                  "\", which are not two categories of its own");
  }
  return {};
}

}  // namespace seaworthy::docker
