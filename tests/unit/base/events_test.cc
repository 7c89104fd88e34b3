#include "seaworthy/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace seaworthy {
namespace {

using std::chrono::milliseconds;

TEST(Events, CountFromOneAndComeInOrder) {
  Events events;
  EXPECT_EQ(events.NextSequence(), 1U);
  events.Publish("key.created", "web", "Key web was created.");
  events.Publish("key.deleted", "web", "Key web was deleted.");
  const auto got = events.WaitFrom(1, DeadlineIn(milliseconds(0)));
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].sequence, 1U);
  EXPECT_EQ(got[0].type, "key.created");
  EXPECT_EQ(got[0].target, "web");
  EXPECT_EQ(got[0].message, "Key web was created.");
  EXPECT_EQ(got[1].sequence, 2U);
  EXPECT_EQ(events.WaitFrom(2, DeadlineIn(milliseconds(0))).size(), 1U);
}

TEST(Events, KeepTheLatestOnly) {
  Events events;
  for (std::size_t i = 0; i < Events::kKept + 10; ++i) events.Publish("t", "", "");
  const auto got = events.WaitFrom(1, DeadlineIn(milliseconds(0)));
  ASSERT_EQ(got.size(), Events::kKept);
  EXPECT_EQ(got.front().sequence, 11U);
  EXPECT_EQ(got.back().sequence, Events::kKept + 10);
}

TEST(Events, WaitEndsWithAnEvent) {
  Events events;
  std::vector<Event> got;
  std::jthread waiter([&] { got = events.WaitFrom(1, DeadlineIn(std::chrono::seconds(20))); });
  events.Publish("tpm.lost", "", "The TPM went away.");
  waiter.join();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].type, "tpm.lost");
}

TEST(Events, WaitEndsAtTheDeadline) {
  Events events;
  events.Publish("t", "", "");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(events.WaitFrom(2, DeadlineIn(milliseconds(20))).empty());
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(20));
}

TEST(Events, CloseEndsWaitsNowAndLater) {
  Events events;
  std::vector<std::jthread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back(
        [&] { EXPECT_TRUE(events.WaitFrom(1, DeadlineIn(std::chrono::seconds(20))).empty()); });
  }
  events.Close();
  waiters.clear();
  EXPECT_TRUE(events.closed());
  EXPECT_TRUE(events.WaitFrom(1, DeadlineIn(std::chrono::seconds(20))).empty());
}

TEST(Events, ReadersSeeEveryEventOfManyPublishers) {
  Events events;
  constexpr std::uint64_t kEach = 60;
  constexpr std::uint64_t kAll = 4 * kEach;
  static_assert(kAll <= Events::kKept);
  std::vector<std::uint64_t> seen;
  std::jthread reader([&] {
    while (seen.size() < kAll) {
      for (const Event& event :
           events.WaitFrom(seen.size() + 1, DeadlineIn(std::chrono::seconds(20)))) {
        seen.push_back(event.sequence);
      }
    }
  });
  std::vector<std::jthread> publishers;
  for (int i = 0; i < 4; ++i) {
    publishers.emplace_back([&] {
      for (std::uint64_t n = 0; n < kEach; ++n) events.Publish("t", "", "");
    });
  }
  publishers.clear();
  reader.join();
  for (std::uint64_t i = 0; i < kAll; ++i) ASSERT_EQ(seen[i], i + 1);
}

}  // namespace
}  // namespace seaworthy
