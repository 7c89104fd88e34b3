#include "modules/docker/hardening/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::TempRoot;
using ::testing::SizeIs;

class JournalTest : public ::testing::Test {
 protected:
  std::string folder() const { return root_ / "state"; }

  Journal Open() const {
    Result<Journal> journal = Journal::Open(folder());
    EXPECT_TRUE(journal.ok()) << journal.status();
    return *std::move(journal);
  }

  static OpenTransaction Begun(const std::string& id) {
    OpenTransaction open;
    open.transaction = {.id = id,
                        .kind = "apply",
                        .undoes = "",
                        .profile = "standard",
                        .engine = "20.10.24",
                        .begun = "2026-11-29T10:15:00Z",
                        .ended = "",
                        .result = "",
                        .reason = "",
                        .problem = "",
                        .files = {{"/etc/docker/daemon.json", std::nullopt, "{}\n"}}};
    open.engine = {{"socket", "/run/docker.sock"}, {"executable", "/usr/sbin/dockerd"}};
    open.config_file = "/etc/docker/daemon.json";
    open.activated = true;
    open.effect = Effect::kReload;
    open.containers = {{"c0ffee", "web", 4711}};
    open.stopped = {"c0ffee"};
    return open;
  }

  const TempRoot root_;
};

TEST_F(JournalTest, WhatWasBegunIsReadAsItWasWritten) {
  const Journal journal = Open();
  const OpenTransaction begun = Begun("20261129T101500Z-00000001");
  ASSERT_TRUE(journal.Write(begun).ok());
  const auto read = journal.Current();
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ(ToJson((*read)->transaction), ToJson(begun.transaction));
  EXPECT_EQ((*read)->transaction.files[0].before, std::nullopt);
  EXPECT_EQ((*read)->engine, begun.engine);
  EXPECT_EQ((*read)->config_file, begun.config_file);
  EXPECT_TRUE((*read)->activated);
  EXPECT_EQ((*read)->effect, Effect::kReload);
  EXPECT_EQ((*read)->containers[0].pid, 4711);
  EXPECT_EQ((*read)->stopped, begun.stopped);
}

TEST_F(JournalTest, WhatIsInTheHistoryIsOver) {
  const Journal journal = Open();
  OpenTransaction begun = Begun("20261129T101500Z-00000001");
  begun.transaction.result = "applied";
  ASSERT_TRUE(journal.Write(begun).ok());
  ASSERT_TRUE(journal.End(begun.transaction).ok());
  // As if the process had been killed before it took the other away.
  ASSERT_TRUE(journal.Write(begun).ok());
  const auto current = journal.Current();
  ASSERT_TRUE(current.ok()) << current.status();
  EXPECT_FALSE(current->has_value());
  const auto history = ReadHistory(folder());
  ASSERT_TRUE(history.ok()) << history.status();
  ASSERT_THAT(*history, SizeIs(1));
  EXPECT_EQ(history->front().result, "applied");
}

TEST_F(JournalTest, TheNewestOfTheHistoryAreKept) {
  const Journal journal = Open();
  for (int i = 100; i < 140; ++i) {
    OpenTransaction begun = Begun("20261129T101500Z-00000" + std::to_string(i));
    ASSERT_TRUE(journal.End(begun.transaction).ok());
  }
  const auto history = ReadHistory(folder());
  ASSERT_TRUE(history.ok()) << history.status();
  ASSERT_THAT(*history, SizeIs(32));
  EXPECT_EQ(history->front().id, "20261129T101500Z-00000139");
  EXPECT_EQ(history->back().id, "20261129T101500Z-00000108");
}

TEST_F(JournalTest, OneAtATime) {
  const Journal journal = Open();
  EXPECT_THAT(Journal::Open(folder()).status(), Fails(Code::kUnavailable, "HARDENING_BUSY"));
}

TEST_F(JournalTest, ADamagedOneIsNotTakenForNone) {
  const Journal journal = Open();
  for (const char* const text : {"", "{", "{}", "[]", R"({"transaction": {"id": "a"}})"}) {
    std::ofstream(folder() + "/current.json") << text;
    EXPECT_THAT(journal.Current().status(), Fails(Code::kInternal, "JOURNAL_MALFORMED")) << text;
  }
}

TEST_F(JournalTest, NobodyHardenedYet) {
  const auto history = ReadHistory(folder());
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_THAT(*history, SizeIs(0));
}

}  // namespace
}  // namespace seaworthy::docker
