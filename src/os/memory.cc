#include "seaworthy/os/memory.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "seaworthy/directory.h"

namespace seaworthy::os {
namespace {

constexpr std::size_t kMaxFile = std::size_t{64} << 10;

std::string Text(const std::filesystem::path& file) {
  const Result<Bytes> text = ReadFile(file, kMaxFile);
  return text.ok() ? std::string(AsText(*text)) : std::string();
}

// Nothing for "max", and for what is no number.
std::optional<std::uint64_t> Number(const std::string& text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc()) return std::nullopt;
  return number;
}

// The number behind a word at the beginning of a line.
std::optional<std::uint64_t> Field(const std::string& text, const std::string& word) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name, value;
    if (fields >> name >> value && name == word) return Number(value);
  }
  return std::nullopt;
}

std::uint64_t Less(std::uint64_t number, std::uint64_t by) { return number > by ? number - by : 0; }

std::optional<std::uint64_t> LeftTo(const std::filesystem::path& group) {
  const auto limit = Number(Text(group / "memory.max"));
  const auto used = Number(Text(group / "memory.current"));
  if (!limit.has_value() || !used.has_value()) return std::nullopt;
  const std::string parts = Text(group / "memory.stat");
  const std::uint64_t files =
      Field(parts, "active_file").value_or(0) + Field(parts, "inactive_file").value_or(0);
  return Less(*limit, Less(*used, files));
}

// "0::/system.slice/seaworthyd.service"
std::filesystem::path GroupIn(const std::string& groups) {
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

}  // namespace

std::optional<std::uint64_t> MemoryLeft(const std::string& root) {
  const std::filesystem::path top(root);
  std::optional<std::uint64_t> left;
  const auto take = [&](std::optional<std::uint64_t> one) {
    if (one.has_value()) left = std::min(left.value_or(*one), *one);
  };
  if (const auto available = Field(Text(top / "proc/meminfo"), "MemAvailable:")) {
    take(*available * 1024);
  }
  for (std::filesystem::path group = GroupIn(Text(top / "proc/self/cgroup")); !group.empty();
       group = group.parent_path()) {
    take(LeftTo(top / "sys/fs/cgroup" / group));
  }
  return left;
}

}  // namespace seaworthy::os
