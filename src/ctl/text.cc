#include "ctl/text.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "seaworthy/bytes.h"

namespace seaworthy::ctl {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;  // 0: the bytes are not UTF-8
};

CodePoint Decode(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t value = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    value = value << 6 | (next & 0x3fU);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kSmallest[size] || value > 0x10ffff || surrogate) return {};
  return {value, size};
}

// Unicode's Bidi_Control characters, line and paragraph separators, and the byte order mark.
bool SteersDisplay(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

std::string Escape(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  char text[16];
  std::snprintf(text, sizeof(text), c < 0x100 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(c));
  return text;
}

std::string Neutralise(std::string_view foreign, bool keep_line_breaks) {
  std::string safe;
  safe.reserve(foreign.size());
  while (!foreign.empty()) {
    const CodePoint c = Decode(foreign);
    if (c.size == 0) {
      safe += Escape(static_cast<unsigned char>(foreign.front()));
      foreign.remove_prefix(1);
      continue;
    }
    const bool kept = !SteersDisplay(c.value) || (keep_line_breaks && c.value == '\n');
    safe += kept ? std::string(foreign.substr(0, c.size)) : Escape(c.value);
    foreign.remove_prefix(c.size);
  }
  return safe;
}

// Columns a text takes, one for each code point.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

std::string Printable(std::string_view foreign) { return Neutralise(foreign, false); }

std::string PrintableLines(std::string_view foreign) { return Neutralise(foreign, true); }

std::string Style::Paint(std::string_view code, std::string_view text) const {
  if (!colour) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

std::string Align(const Rows& rows, std::string_view indent) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    for (std::size_t column = 0; column + 1 < row.size(); ++column) {
      if (widths.size() <= column) widths.push_back(0);
      widths[column] = std::max(widths[column], Width(row[column]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line(indent);
    for (std::size_t column = 0; column < row.size(); ++column) {
      line += row[column];
      if (column + 1 < row.size()) line.append(widths[column] - Width(row[column]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string FormatTime(std::int64_t seconds_since_epoch) {
  const std::time_t time = seconds_since_epoch;
  std::tm utc = {};
  if (gmtime_r(&time, &utc) == nullptr) return "?";
  char text[64];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return {text, size};
}

std::string FormatDays(std::int64_t days_from_now) {
  if (days_from_now == 0) return "in less than a day";
  const bool past = days_from_now < 0;
  // Through unsigned: the most negative value has no positive counterpart.
  const auto magnitude = static_cast<std::uint64_t>(days_from_now);
  const std::uint64_t days = past ? 0 - magnitude : magnitude;
  const std::string count = std::to_string(days) + (days == 1 ? " day" : " days");
  return past ? count + " ago" : "in " + count;
}

}  // namespace seaworthy::ctl
