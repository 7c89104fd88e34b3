#include "seaworthy/base64.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "support/status_matchers.h"

namespace seaworthy {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;

Bytes Counting(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + size);
  return bytes;
}

TEST(Base64, IsWhatOpensslWrites) {
  for (std::size_t size = 0; size < 300; ++size) {
    const Bytes bytes = Counting(size);
    std::string expected((size + 2) / 3 * 4 + 1, '\0');
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(expected.data()), bytes.data(),
                    static_cast<int>(size));
    expected.pop_back();
    EXPECT_EQ(Base64(bytes), expected);
    EXPECT_EQ(AsText(Base64Secret(bytes).view()), expected);
  }
}

TEST(Base64, ReadsWhatItWrote) {
  for (std::size_t size = 0; size < 300; ++size) {
    const Bytes bytes = Counting(size);
    const Result<Bytes> padded = ParseBase64(Base64(bytes));
    ASSERT_THAT(padded, IsOk());
    EXPECT_EQ(*padded, bytes);
    const Result<Bytes> url = ParseBase64Url(Base64Url(bytes));
    ASSERT_THAT(url, IsOk());
    EXPECT_EQ(*url, bytes);
    const Result<SecretBytes> secret = ParseBase64UrlSecret(AsBytes(Base64Url(bytes)));
    ASSERT_THAT(secret, IsOk());
    EXPECT_EQ(AsText(secret->view()), AsText(bytes));
  }
}

TEST(Base64, UrlHasItsOwnLettersAndNoPadding) {
  EXPECT_EQ(Base64Url(Bytes{0xfb, 0xff, 0xfe, 0xff}), "-__-_w");
  EXPECT_EQ(Base64(Bytes{0xfb, 0xff, 0xfe, 0xff}), "+//+/w==");
}

TEST(Base64, RefusesWhatItWouldNotWrite) {
  for (const char* text : {"A", "AA", "AAA", "AA=A", "A===", "====", "AAAA=", "AAAA====", "AAA =",
                           "AAA\n", "AB==", "AAB=", "-AAA", "_AAA", "AA==AAAA", "\xc3\xa4=="}) {
    EXPECT_THAT(ParseBase64(text), Fails(Code::kInvalidArgument, "INVALID_BASE64")) << text;
  }
  for (const char* text : {"A", "AAAAA", "AB", "AAB", "AA==", "+AAA", "/AAA", "AA A"}) {
    EXPECT_THAT(ParseBase64Url(text), Fails(Code::kInvalidArgument, "INVALID_BASE64")) << text;
  }
}

}  // namespace
}  // namespace seaworthy
