#include "seaworthy/bytes.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace seaworthy {
namespace {

using testing::Fails;

TEST(Hex, WritesTwoLowerCaseDigitsAByte) {
  EXPECT_EQ(Hex(Bytes{0x00, 0x0f, 0xa5, 0xff}), "000fa5ff");
  EXPECT_EQ(Hex({}), "");
}

TEST(ParseHex, TakesBothCases) {
  EXPECT_EQ(*ParseHex("000fA5fF"), (Bytes{0x00, 0x0f, 0xa5, 0xff}));
  EXPECT_EQ(*ParseHex(""), Bytes{});
}

TEST(ParseHex, RefusesAnOddNumberOfDigits) {
  EXPECT_THAT(ParseHex("abc"), Fails(Code::kInvalidArgument, "INVALID_HEX"));
}

TEST(ParseHex, NamesTheWrongCharacterCountingFromOne) {
  // The neighbours of the digit ranges in ASCII, at both places of a pair.
  for (const char wrong : {'/', ':', '@', 'G', '`', 'g', '\0', '\xff'}) {
    const std::string first = std::string("ab") + wrong + "0";
    const std::string second = std::string("ab0") + wrong;
    EXPECT_THAT(ParseHex(first), Fails(Code::kInvalidArgument, "INVALID_HEX"));
    EXPECT_EQ(Message(ParseHex(first).status()), "not a hex digit at character 3");
    EXPECT_EQ(Message(ParseHex(second).status()), "not a hex digit at character 4");
  }
}

TEST(AsBytes, IsTheTextsOwnMemory) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(Hex(AsBytes(text)), "610062");
  EXPECT_EQ(AsText(AsBytes(text)), text);
}

}  // namespace
}  // namespace seaworthy
