#include "modules/keys/inventory.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/status_matchers.h"

namespace seaworthy::keys {
namespace {

using testing::Fails;
using testing::IsOk;

Key Named(const std::string& name) {
  Key key;
  key.name = name;
  return key;
}

std::shared_ptr<const Key> Damaged(const std::string& name) {
  Key key = Named(name);
  key.problem = Fail(Code::kFailedPrecondition, "KEY_DAMAGED", "test");
  return std::make_shared<const Key>(std::move(key));
}

TEST(Inventory, ASecondClaimWaitsUntilTheFirstIsGivenBack) {
  Inventory inventory;
  Result<Inventory::Claim> first = inventory.ClaimKey(DeadlineIn(std::chrono::seconds(1)), "a");
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(inventory.ClaimKey(DeadlineIn(std::chrono::milliseconds(1)), "a"),
              Fails(Code::kDeadlineExceeded, "KEY_BUSY"));
  EXPECT_THAT(inventory.ClaimKey(DeadlineIn(std::chrono::milliseconds(1)), "b"), IsOk());

  Status second;
  std::thread waiter(
      [&] { second = inventory.ClaimKey(DeadlineIn(std::chrono::seconds(30)), "a").status(); });
  first->Release();
  waiter.join();
  EXPECT_THAT(second, IsOk());
}

TEST(Inventory, CountsKeysThatAreBeingMade) {
  Inventory inventory;
  inventory.Put(Named("a"));
  const Deadline deadline = DeadlineIn(std::chrono::seconds(1));
  const Result<Inventory::Claim> known = inventory.ClaimKey(deadline, "a");
  const Result<Inventory::Claim> made = inventory.ClaimKey(deadline, "b");
  EXPECT_EQ(inventory.NamesInUse(), 2U);
}

TEST(Inventory, WhatWasReadBeforeAChangeDoesNotReplaceIt) {
  Inventory inventory;
  const std::uint64_t before = inventory.version();
  inventory.Put(Named("a"));
  EXPECT_FALSE(inventory.Note(before, "a", Damaged("a")));
  EXPECT_THAT(inventory.Find("a")->problem, IsOk());
  EXPECT_FALSE(inventory.Note(before, "a", nullptr));
  EXPECT_NE(inventory.Find("a"), nullptr);
}

TEST(Inventory, WhatIsReadDuringAChangeDoesNotCount) {
  Inventory inventory;
  inventory.Put(Named("a"));
  const auto claim = inventory.ClaimKey(DeadlineIn(std::chrono::seconds(1)), "a");
  EXPECT_FALSE(inventory.Note(inventory.version(), "a", nullptr));
  EXPECT_NE(inventory.Find("a"), nullptr);
}

TEST(Inventory, DamageIsNewsOnce) {
  Inventory inventory;
  EXPECT_TRUE(inventory.Note(inventory.version(), "a", Damaged("a")));
  EXPECT_FALSE(inventory.Note(inventory.version(), "a", Damaged("a")));
  inventory.Put(Named("a"));
  EXPECT_TRUE(inventory.Note(inventory.version(), "a", Damaged("a")));
  EXPECT_FALSE(inventory.Note(inventory.version(), "a", nullptr));
  EXPECT_EQ(inventory.Find("a"), nullptr);
}

}  // namespace
}  // namespace seaworthy::keys
