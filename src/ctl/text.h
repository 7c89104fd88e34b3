// Text for a terminal: foreign strings made harmless, aligned tables, colour.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seaworthy::ctl {

// `foreign` as one line that cannot steer a terminal: control characters (escape sequences
// begin with one), bytes that are not UTF-8 and characters that change the direction of
// writing are shown as \n, \x1b or \u202e.
std::string Printable(std::string_view foreign);

// The same, line breaks kept; for PEM.
std::string PrintableLines(std::string_view foreign);

// Colours when on, plain text when off.
struct Style {
  bool colour = false;

  std::string Good(std::string_view text) const { return Paint("32", text); }
  std::string Warning(std::string_view text) const { return Paint("33", text); }
  std::string Bad(std::string_view text) const { return Paint("31", text); }
  std::string Strong(std::string_view text) const { return Paint("1", text); }

 private:
  std::string Paint(std::string_view code, std::string_view text) const;
};

// Rows in aligned columns, two spaces apart. Only a row's last cell may carry colour, as it is
// the one that is not padded.
using Rows = std::vector<std::vector<std::string>>;
std::string Align(const Rows& rows, std::string_view indent = "");

// "2026-11-22 03:25:13 UTC".
std::string FormatTime(std::int64_t seconds_since_epoch);

// "in 89 days", "in less than a day", "3 days ago".
std::string FormatDays(std::int64_t days_from_now);

}  // namespace seaworthy::ctl
