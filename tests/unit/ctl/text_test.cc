#include "ctl/text.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>

namespace seaworthy::ctl {
namespace {

TEST(Printable, LeavesWordsOfAnyScript) {
  EXPECT_EQ(Printable("CN=Größe 鍵 🔑, O=\"x\""), "CN=Größe 鍵 🔑, O=\"x\"");
}

TEST(Printable, NeutralisesEscapeSequences) {
  EXPECT_EQ(Printable("\033[2J\033]0;title\007"), "\\x1b[2J\\x1b]0;title\\x07");
  // C1's CSI, as UTF-8 and as a bare byte.
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("a\rb\nc\td\x7f"), "a\\x0db\\nc\\td\\x7f");
}

TEST(Printable, NeutralisesWhatTurnsTheDirectionOfWriting) {
  EXPECT_EQ(Printable("key\u202egnp.exe"), "key\\u202egnp.exe");
  EXPECT_EQ(Printable("\u2066\u200f\ufeff"), "\\u2066\\u200f\\ufeff");
}

TEST(Printable, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xc0\x80"), "\\xc0\\x80");           // overlong
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");           // cut
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
}

TEST(Printable, KeepsLineBreaksOfPem) {
  EXPECT_EQ(PrintableLines("-----BEGIN\nAB\033=\n"), "-----BEGIN\nAB\\x1b=\n");
}

TEST(Align, PadsAllButTheLastColumn) {
  EXPECT_EQ(Align({{"NAME", "KIND", "STATE"}, {"größe", "ec", "ok"}, {"x", "", ""}}, "  "),
            "  NAME   KIND  STATE\n"
            "  größe  ec    ok\n"
            "  x\n");
}

TEST(Style, PaintsOnlyWhenOn) {
  EXPECT_EQ(Style{}.Bad("FAIL"), "FAIL");
  EXPECT_EQ(Style{true}.Bad("FAIL"), "\033[31mFAIL\033[0m");
}

TEST(Format, TimesAndDays) {
  EXPECT_EQ(FormatTime(0), "1970-01-01 00:00:00 UTC");
  EXPECT_EQ(FormatTime(1795317913), "2026-11-22 03:25:13 UTC");
  EXPECT_EQ(FormatTime(std::numeric_limits<std::int64_t>::max()), "?");
  EXPECT_EQ(FormatDays(0), "in less than a day");
  EXPECT_EQ(FormatDays(1), "in 1 day");
  EXPECT_EQ(FormatDays(89), "in 89 days");
  EXPECT_EQ(FormatDays(-3), "3 days ago");
  EXPECT_EQ(FormatDays(std::numeric_limits<std::int64_t>::min()), "9223372036854775808 days ago");
}

}  // namespace
}  // namespace seaworthy::ctl
