#include "modules/keys/metadata.h"

#include <gtest/gtest.h>

#include <string>

#include "support/status_matchers.h"

namespace seaworthy::keys {
namespace {

using testing::Fails;
using testing::IsOk;

constexpr char kSound[] =
    R"({"format":1,"name":"web","created":"2024-02-29T23:59:58Z","current":3,"next":4,)"
    R"("certificate_chain":"PEM"})";

// kSound with one piece replaced.
std::string With(const std::string& from, const std::string& to) {
  std::string text = kSound;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Metadata, IsReadBackAsWritten) {
  Metadata metadata;
  metadata.name = "web";
  metadata.created = std::chrono::sys_seconds(std::chrono::seconds(1'709'251'198));
  metadata.current = 3;
  metadata.next = 4;
  metadata.certificate_chain_pem = "-----BEGIN \"x\"\n\t\xc3\xa4";
  const Result<Metadata> read = ParseMetadata(ToJson(metadata));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->name, metadata.name);
  EXPECT_EQ(read->created, metadata.created);
  EXPECT_EQ(read->current, metadata.current);
  EXPECT_EQ(read->next, metadata.next);
  EXPECT_EQ(read->certificate_chain_pem, metadata.certificate_chain_pem);
}

TEST(Metadata, ReadsAGoldenText) {
  const Result<Metadata> read = ParseMetadata(kSound);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->created.time_since_epoch().count(), 1'709'251'198);
  EXPECT_EQ(read->current, 3U);
  EXPECT_EQ(read->next, 4U);
}

TEST(Metadata, WritesAnyChainWithinItsCap) {
  Metadata metadata;
  metadata.name = "web";
  metadata.certificate_chain_pem = std::string(tls::kMaxChainBytes, '\x01');
  EXPECT_LE(ToJson(metadata).size(), kMaxMetadata);
  EXPECT_THAT(ParseMetadata(ToJson(metadata)), IsOk());
  metadata.certificate_chain_pem = "# sch\xf6n\n";  // not UTF-8
  EXPECT_THAT(ParseMetadata(ToJson(metadata)), IsOk());
}

TEST(Metadata, RefusesWhatIsNotExactlyOurs) {
  const struct {
    std::string text;
    std::string says;
  } cases[] = {
      {"", "is not JSON"},
      {std::string(kSound).substr(0, 40), "is not JSON"},
      {std::string(kSound) + "x", "is not JSON"},
      {"[1]", "is not a JSON object"},
      {"{}", "format is missing"},
      {With("\"next\":4,", ""), "next is missing"},
      {With("\"next\":4", "\"next\":4,\"next\":4"), "twice"},
      {With("\"next\":4", "\"next\":4,\"more\":4"), "unknown"},
      {With("\"format\":1", "\"format\":2"), "format: is 2"},
      {With("\"format\":1", "\"format\":\"1\""), "format: "},
      {With("\"web\"", "7"), "name: "},
      {With("\"current\":3", "\"current\":0"), "current: "},
      {With("\"current\":3", "\"current\":-3"), "current: "},
      {With("\"current\":3", "\"current\":3.0"), "current: "},
      {With("\"current\":3", "\"current\":1000000000"), "current: "},
      {With("\"current\":3", "\"current\":18446744073709551615"), "current: "},
      {With("\"next\":4", "\"next\":5"), "next: "},
      {With("\"next\":4", "\"next\":3"), "next: "},
      {With("\"next\":4", "\"next\":null"), "next: "},
      {With("2024-02-29", "2023-02-29"), "created: "},
      {With("23:59:58", "24:59:58"), "created: "},
      {With("58Z", "58+01:00"), "created: "},
      {With("58Z", "58"), "created: "},
      {With("\"PEM\"", "[]"), "certificate_chain: "},
      {With("PEM", std::string(tls::kMaxChainBytes + 1, 'x')), "certificate_chain: "},
  };
  for (const auto& [text, says] : cases) {
    const Result<Metadata> read = ParseMetadata(text);
    EXPECT_THAT(read, Fails(Code::kInvalidArgument, "INVALID_METADATA")) << says;
    EXPECT_THAT(Message(read.status()), ::testing::HasSubstr(says));
  }
}

TEST(Metadata, DeepNestingIsRefusedWithoutRecursion) {
  EXPECT_THAT(ParseMetadata(std::string(kMaxMetadata, '[')),
              Fails(Code::kInvalidArgument, "INVALID_METADATA"));
}

}  // namespace
}  // namespace seaworthy::keys
