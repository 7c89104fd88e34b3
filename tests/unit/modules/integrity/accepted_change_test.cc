#include "seaworthy/modules/integrity/accepted_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using Kind = FileDrift::Kind;

constexpr char kConfig[] = "etc/docker/daemon.json";
constexpr char kDropIn[] = "etc/systemd/system/docker.service.d/50-seaworthy.conf";
constexpr char kRunc[] = "usr/sbin/runc";

FileAttributes RootsFile(const std::string& digest, const std::string& mode = "0644") {
  return {{"kind", "configuration"},
          {"type", "file"},
          {"mode", mode},
          {"uid", "0"},
          {"gid", "0"},
          {"size", "9"},
          {"digest", digest}};
}

// Recorded are the configuration "a" and a program; digests stand for contents.
class AcceptedChange : public ::testing::Test {
 protected:
  AcceptedChange() {
    baseline_.recorded = "then";
    baseline_.files = {{kConfig, RootsFile("a")}, {kRunc, RootsFile("r", "0755")}};
  }
  void Found(const std::string& path, FileAttributes now) {
    FileDrift drift{path, Kind::kAdded, std::move(now), {}, {}, {}};
    if (baseline_.files.contains(path)) drift.kind = Kind::kChanged;
    drifts_.push_back(std::move(drift));
  }
  void Gone(const std::string& path) {
    drifts_.push_back({path, Kind::kRemoved, baseline_.files[path], {}, {}, {}});
  }
  void Change(const std::string& id, std::vector<KnownChange::File> files) {
    changes_.push_back({id, std::move(files)});
  }
  Result<Baseline> Accept() const { return AcceptDrift(baseline_, drifts_, changes_); }
  // "REASON path" of the first.
  std::string Refused() const {
    const Result<Baseline> accepted = Accept();
    if (accepted.ok()) return "";
    EXPECT_EQ(accepted.status().code(), Code::kFailedPrecondition);
    const std::string message = Message(accepted.status());
    return Reason(accepted.status()) + " " + message.substr(0, message.find(':'));
  }
  // As above, with the configuration found in this state after a change from "a" to "b".
  std::string RefusedAs(const FileAttributes& now) {
    drifts_.clear();
    changes_.clear();
    Found(kConfig, now);
    Change("1", {{kConfig, "a", "b"}});
    return Refused();
  }

  Baseline baseline_;
  std::vector<FileDrift> drifts_;
  std::vector<KnownChange> changes_;
};

TEST_F(AcceptedChange, IsTakenOverAndNothingElse) {
  Found(kConfig, RootsFile("b"));
  Found(kDropIn, RootsFile("d"));
  Change("1", {{kDropIn, {}, "d"}, {kConfig, "a", "b"}});
  const std::vector<DriftOrigin> origins = TraceDrift(baseline_, drifts_, changes_);
  ASSERT_EQ(origins.size(), 2U);
  EXPECT_EQ(origins[1].path, kDropIn);
  EXPECT_EQ(origins[1].change, "1");
  EXPECT_THAT(origins[1].why, IsOk());
  const Result<Baseline> accepted = Accept();
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->files.at(kConfig), RootsFile("b"));
  EXPECT_EQ(accepted->files.at(kDropIn), RootsFile("d"));
  EXPECT_EQ(accepted->files.at(kRunc), baseline_.files.at(kRunc));
  EXPECT_EQ(accepted->recorded, "then");
}

TEST_F(AcceptedChange, WhatItRemovedIsRecordedNoMore) {
  baseline_.files[kDropIn] = RootsFile("d");
  Gone(kDropIn);
  EXPECT_EQ(Refused(), std::string("FOREIGN_DRIFT ") + kDropIn);
  Change("1", {{kDropIn, "d", {}}, {kConfig, "a", "a"}});
  const Result<Baseline> accepted = Accept();
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->files, ElementsAre(Key(kConfig), Key(kRunc)));
}

TEST_F(AcceptedChange, WhatNoTransactionHasToDoWithIsRefused) {
  Found(kConfig, RootsFile("b"));
  EXPECT_EQ(Refused(), std::string("FOREIGN_DRIFT ") + kConfig);
  Change("1", {{kConfig, "a", "b"}});
  EXPECT_EQ(Refused(), "");
  Found(kRunc, RootsFile("evil", "0755"));
  EXPECT_EQ(Refused(), std::string("FOREIGN_DRIFT ") + kRunc);
  drifts_.back() = {kConfig, Kind::kUnreadable, {}, {}, {}, {}};
  EXPECT_EQ(Refused(), std::string("FOREIGN_DRIFT ") + kConfig);
}

TEST_F(AcceptedChange, OtherContentThanItLeftIsRefused) {
  Found(kConfig, RootsFile("c"));
  Change("1", {{kConfig, "a", "b"}});
  EXPECT_EQ(Refused(), std::string("CONTENT_DIFFERS ") + kConfig);
  // What an earlier one left, too.
  Change("2", {{kConfig, "b", "c"}});
  Change("3", {{kConfig, "c", "d"}});
  EXPECT_EQ(Refused(), std::string("CONTENT_DIFFERS ") + kConfig);
  changes_.pop_back();
  EXPECT_EQ(Refused(), "");
  drifts_.clear();
  Gone(kConfig);
  EXPECT_EQ(Refused(), std::string("CONTENT_DIFFERS ") + kConfig);
}

TEST_F(AcceptedChange, SeveralLeadFromWhatWasRecordedToWhatIsThere) {
  Found(kConfig, RootsFile("d"));
  Change("0", {{kConfig, "x", "a"}});
  Change("1", {{kConfig, "a", "b"}});
  Change("2", {{kDropIn, "e", "f"}, {kConfig, "b", "c"}});
  Change("3", {{kDropIn, "f", {}}});
  Change("4", {{kConfig, "c", "d"}});
  EXPECT_EQ(Refused(), "");
  EXPECT_EQ(TraceDrift(baseline_, drifts_, changes_)[0].change, "4");
  changes_[2].files[1].before = "other";
  EXPECT_EQ(Refused(), std::string("HISTORY_GAP ") + kConfig);
  changes_[2].files[1].before = "b";
  changes_[1].files[0].before = "other";
  changes_.erase(changes_.begin());
  EXPECT_EQ(Refused(), std::string("HISTORY_GAP ") + kConfig);
}

// An undone part would otherwise pass for what was never there.
TEST_F(AcceptedChange, WhatWasTakenBackOfItIsTold) {
  Found(kConfig, RootsFile("c"));
  Change("0", {{kRunc, "r", "old"}});  // not of those that lead from what was recorded
  Change("1", {{kDropIn, {}, "d"}, {kConfig, "a", "b"}});
  Change("2", {{kConfig, "b", "c"}});
  EXPECT_EQ(Refused(), std::string("CHANGE_MISSING ") + kDropIn);
  const std::vector<DriftOrigin> origins = TraceDrift(baseline_, drifts_, changes_);
  ASSERT_EQ(origins.size(), 2U);
  EXPECT_THAT(origins[0].why, IsOk());
  EXPECT_EQ(origins[1].change, "1");
  baseline_.files[kDropIn] = RootsFile("d");
  EXPECT_EQ(Refused(), "");
}

TEST_F(AcceptedChange, MayHaveNoOtherAttributesThanATransactionLeaves) {
  const std::string refused = std::string("ATTRIBUTES_DIFFER ") + kConfig;
  FileAttributes now = RootsFile("b");
  EXPECT_EQ(RefusedAs(now), "");
  for (const char* mode : {"0664", "0646", "0755", "04644", "", "x"}) {
    EXPECT_EQ(RefusedAs(RootsFile("b", mode)), refused) << mode;
  }
  EXPECT_EQ(RefusedAs(RootsFile("b", "0600")), "");
  now["uid"] = "1000";
  EXPECT_EQ(RefusedAs(now), refused);
  now["uid"] = "0";
  now["gid"] = "999";
  EXPECT_EQ(RefusedAs(now), refused);
  now["gid"] = "0";
  now["type"] = "link";
  EXPECT_EQ(RefusedAs(now), refused);
  now["type"] = "file";
  for (const char* name : {"xattr:system.posix_acl_access", "xattr:security.capability"}) {
    FileAttributes more = now;
    more[name] = "01";
    EXPECT_EQ(RefusedAs(more), refused) << name;
    baseline_.files[kConfig][name] = "01";
    EXPECT_EQ(RefusedAs(more), "") << name;
    EXPECT_EQ(RefusedAs(now), "") << name;
  }
  now["xattr:security.ima"] = "03";
  now["xattr:security.selinux"] = "label";
  EXPECT_EQ(RefusedAs(now), "");
}

TEST_F(AcceptedChange, OneWhoCouldNotReadItCannotAfterIt) {
  baseline_.files[kConfig] = RootsFile("a", "0640");
  EXPECT_EQ(RefusedAs(RootsFile("b", "0640")), "");
  EXPECT_EQ(RefusedAs(RootsFile("b", "0644")), std::string("ATTRIBUTES_DIFFER ") + kConfig);
  // One that was made anew is as all that are made.
  changes_ = {{"1", {{kConfig, "a", {}}}}, {"2", {{kConfig, {}, "b"}}}};
  EXPECT_EQ(Refused(), "");
  // A mode that is put right.
  baseline_.files[kConfig] = RootsFile("a", "0666");
  drifts_.clear();
  Found(kConfig, RootsFile("a", "0644"));
  changes_ = {{"1", {{kConfig, "a", "a"}}}};
  EXPECT_EQ(Refused(), "");
}

// What is no regular file was recorded without a content.
TEST_F(AcceptedChange, ALinkIsNoFileThatIsMissing) {
  baseline_.files[kConfig] = {{"type", "link"}, {"target", "/x"}};
  Found(kConfig, RootsFile("b"));
  Change("1", {{kConfig, {}, "b"}});
  EXPECT_EQ(Refused(), std::string("HISTORY_GAP ") + kConfig);
}

TEST_F(AcceptedChange, NothingDriftedIsNothingToAccept) {
  Change("1", {{kConfig, "a", "b"}});
  EXPECT_THAT(TraceDrift(baseline_, drifts_, changes_), IsEmpty());
  const Result<Baseline> accepted = Accept();
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->files, baseline_.files);
}

}  // namespace
}  // namespace seaworthy::integrity
