#include "tls/rate_limit.h"

#include <gtest/gtest.h>

namespace seaworthy::tls {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kStart = Instant() + seconds(1000);

int TakeAll(HandshakeRate& rate, const std::string& source, Instant now) {
  int taken = 0;
  while (taken < 100'000 && rate.Take(source, now)) ++taken;
  return taken;
}

TEST(TokenBucketTest, HoldsTwiceItsRateAndFillsWithTime) {
  TokenBucket bucket(10, kStart);
  int taken = 0;
  for (; bucket.Has(kStart); ++taken) bucket.Take();
  EXPECT_EQ(taken, 20);
  EXPECT_FALSE(bucket.Has(kStart + milliseconds(99)));
  EXPECT_TRUE(bucket.Has(kStart + milliseconds(101)));
  EXPECT_TRUE(bucket.Has(kStart + seconds(3600)));
  for (taken = 0; bucket.Has(kStart + seconds(3600)); ++taken) bucket.Take();
  EXPECT_EQ(taken, 20);
}

TEST(TokenBucketTest, ASlowRateLetsOneIn) {
  TokenBucket bucket(0.1, kStart);
  ASSERT_TRUE(bucket.Has(kStart));
  bucket.Take();
  EXPECT_FALSE(bucket.Has(kStart + seconds(9)));
  EXPECT_TRUE(bucket.Has(kStart + seconds(11)));
}

TEST(HandshakeRateTest, OneSourceDoesNotTakeWhatOthersNeed) {
  HandshakeRate rate(50, 10, kStart);
  EXPECT_EQ(TakeAll(rate, "flood", kStart), 20);
  EXPECT_EQ(TakeAll(rate, "other", kStart), 20);
  EXPECT_EQ(TakeAll(rate, "flood", kStart + seconds(1)), 10);
}

TEST(HandshakeRateTest, AllSourcesTogetherAreBounded) {
  HandshakeRate rate(50, 10, kStart);
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += rate.Take(std::to_string(i), kStart) ? 1 : 0;
  EXPECT_EQ(taken, 100);
  // Refused by the limit on all, a source keeps its own tokens.
  EXPECT_EQ(TakeAll(rate, "999", kStart + seconds(1)), 20);
}

TEST(HandshakeRateTest, ForgetsTheSourceLongestNotSeen) {
  HandshakeRate rate(1e9, 1, kStart);
  EXPECT_EQ(TakeAll(rate, "first", kStart), 2);
  EXPECT_EQ(TakeAll(rate, "second", kStart), 2);
  for (std::size_t i = 0; i < HandshakeRate::kMaxSources - 2; ++i) {
    rate.Take("n" + std::to_string(i), kStart);
  }
  EXPECT_FALSE(rate.Take("first", kStart));  // seen again: now "second" is the oldest
  rate.Take("one more", kStart);
  EXPECT_EQ(rate.sources(), HandshakeRate::kMaxSources);
  EXPECT_FALSE(rate.Take("first", kStart));
  EXPECT_TRUE(rate.Take("second", kStart));
}

TEST(FloodReportsTest, OneASecondForEachReason) {
  FloodReports reports;
  EXPECT_EQ(reports.Next("A", "a", kStart), "a");
  EXPECT_EQ(reports.Next("A", "a", kStart + milliseconds(500)), "");
  EXPECT_EQ(reports.Next("A", "a", kStart + milliseconds(999)), "");
  EXPECT_EQ(reports.Next("B", "b", kStart + milliseconds(999)), "b");
  EXPECT_EQ(reports.Next("A", "a", kStart + milliseconds(1000)),
            "a; and 2 more since the last report");
  EXPECT_EQ(reports.Next("A", "a", kStart + milliseconds(2000)), "a");
}

}  // namespace
}  // namespace seaworthy::tls
