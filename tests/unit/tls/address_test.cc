#include "tls/address.h"

#include "support/status_matchers.h"

namespace seaworthy::tls {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;

std::string Source(const std::string& text) {
  const auto address = ParseAddress(text);
  EXPECT_THAT(address, IsOk());
  return SourceOf(*address);
}

TEST(AddressTest, ReadsAndWrites) {
  for (const std::string text : {"192.0.2.1:8443", "[::]:8443", "[2001:db8::1]:1", "0.0.0.0:0"}) {
    const auto address = ParseAddress(text);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(ToString(*address), text);
  }
  EXPECT_EQ(ToString(*ParseAddress("[::ffff:192.0.2.7]:41022")), "192.0.2.7:41022");
}

TEST(AddressTest, RefusesWhatIsNoAddressAndPort) {
  for (const std::string text :
       {"", "8443", ":8443", "host:8443", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536",
        "192.0.2.1:-1", "192.0.2.1:1x", "[::]", "::1:80", "[]:80", "[192.0.2.1]:80", "::", "[:1"}) {
    EXPECT_THAT(ParseAddress(text), Fails(Code::kInvalidArgument, "INVALID_LISTEN_ADDRESS"))
        << text;
  }
}

TEST(AddressTest, SourcesAreIpv4AddressesAndIpv6Networks) {
  EXPECT_EQ(Source("192.0.2.1:1"), Source("192.0.2.1:2"));
  EXPECT_NE(Source("192.0.2.1:1"), Source("192.0.2.2:1"));
  EXPECT_EQ(Source("192.0.2.1:1"), Source("[::ffff:192.0.2.1]:1"));
  EXPECT_NE(Source("[::ffff:192.0.2.1]:1"), Source("[::ffff:192.0.2.2]:1"));
  EXPECT_EQ(Source("[2001:db8:0:1::1]:1"), Source("[2001:db8:0:1:ffff::9]:1"));
  EXPECT_NE(Source("[2001:db8:0:1::1]:1"), Source("[2001:db8:0:2::1]:1"));
}

}  // namespace
}  // namespace seaworthy::tls
