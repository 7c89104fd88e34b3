#include "seaworthy/modules/volumes/recovery_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

SecretBytes Secret(std::string_view text) { return SecretBytes::Copy(AsBytes(text)); }

std::string Parsed(std::string_view typed) {
  const Result<SecretBytes> key = ParseRecoveryKey(Secret(typed));
  EXPECT_THAT(key, IsOk());
  return key.ok() ? std::string(AsText(key->view())) : "";
}

TEST(RecoveryKey, IsMadeOfTheBytesInOrder) {
  Bytes bytes(32);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 8 + 1);
  const Result<SecretBytes> key = MakeRecoveryKey(SecretBytes::Copy(bytes));
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(AsText(key->view()),
            "cbckbbbk-dbdkebek-fbfkgbgk-hbhkibik-jbjkkbkk-lblknbnk-rbrktbtk-ubukvbvk");
  EXPECT_EQ(Parsed(AsText(key->view())), AsText(key->view()));
}

TEST(RecoveryKey, OfSystemdIsReadHoweverItWasTyped) {
  const std::string text = ReadData("recovery_key.txt");
  ASSERT_EQ(text.size(), 71);
  EXPECT_EQ(Parsed(text), text);
  std::string upper;
  std::string bare;
  std::string blanks = "  ";
  for (const char letter : text) {
    upper += letter == '-' ? '-' : static_cast<char>(letter - 'a' + 'A');
    if (letter != '-') bare += letter;
    blanks += letter == '-' ? ' ' : letter;
  }
  EXPECT_EQ(Parsed(upper), text);
  EXPECT_EQ(Parsed(bare), text);
  EXPECT_EQ(Parsed(blanks + "\n"), text);
}

TEST(RecoveryKey, WhatIsNoneIsToldWithoutTellingIt) {
  const std::string text = ReadData("recovery_key.txt");
  const auto malformed = Fails(Code::kInvalidArgument, "RECOVERY_KEY_MALFORMED");
  EXPECT_THAT(ParseRecoveryKey(Secret(text.substr(1))), malformed);
  EXPECT_THAT(ParseRecoveryKey(Secret(text + "c")), malformed);
  EXPECT_THAT(ParseRecoveryKey(Secret("")), malformed);
  EXPECT_THAT(ParseRecoveryKey(Secret(std::string(300, '-'))), malformed);
  std::string wrong = text;
  wrong[10] = 'a';
  const Status status = ParseRecoveryKey(Secret(wrong)).status();
  EXPECT_THAT(status, malformed);
  EXPECT_THAT(Message(status), HasSubstr("character 11"));
  EXPECT_THAT(Message(status), Not(HasSubstr(text.substr(0, 8))));
  EXPECT_THAT(MakeRecoveryKey(Secret("short")), Fails(Code::kInvalidArgument, "RECOVERY_KEY_SIZE"));
}

}  // namespace
}  // namespace seaworthy::volumes
