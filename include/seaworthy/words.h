// Texts taken apart at a character, and put together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace seaworthy {

// What is between the separators, empty pieces too; of an empty text one.
inline std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// "a, b, c", of anything that goes through texts.
template <class Words>
std::string Join(const Words& words, std::string_view between = ", ") {
  std::string joined;
  bool first = true;
  for (const std::string_view word : words) {
    if (!first) joined += between;
    joined += word;
    first = false;
  }
  return joined;
}

}  // namespace seaworthy
