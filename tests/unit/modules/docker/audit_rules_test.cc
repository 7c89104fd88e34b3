#include "modules/docker/audit_rules.h"

#include <gtest/gtest.h>

#include "support/audit_rule.h"

namespace seaworthy::docker {
namespace {

using testing::AuditRule;

constexpr std::uint32_t kWriteAttr = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;

AuditWatch Parsed(const AuditRule& rule) {
  const auto watch = ParseAuditRule(rule.Encode());
  EXPECT_TRUE(watch.ok()) << watch.status();
  EXPECT_TRUE(watch.ok() && watch->has_value());
  return watch.ok() && *watch ? **watch : AuditWatch();
}

bool WatchesNothing(const AuditRule& rule) {
  const auto watch = ParseAuditRule(rule.Encode());
  EXPECT_TRUE(watch.ok()) << watch.status();
  return watch.ok() && !*watch;
}

Bytes BytesOf(const audit_rule_data& rule) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(&rule);
  return Bytes(begin, begin + sizeof(rule));
}

std::string ReasonOf(ByteView rule) { return Reason(ParseAuditRule(rule).status()); }

TEST(ParseAuditRule, AFile) {
  const AuditWatch watch = Parsed(AuditRule()
                                      .Text(AUDIT_WATCH, "/usr/sbin/dockerd")
                                      .Number(AUDIT_PERM, kWriteAttr)
                                      .Text(AUDIT_FILTERKEY, "docker"));
  EXPECT_EQ(watch.path, "/usr/sbin/dockerd");
  EXPECT_FALSE(watch.folder);
  EXPECT_EQ(watch.permissions, kWriteAttr);
  EXPECT_FALSE(watch.narrowed);
  EXPECT_FALSE(watch.never);
}

TEST(ParseAuditRule, AFolder) {
  const AuditWatch watch = Parsed(AuditRule().Text(AUDIT_DIR, "/etc/docker"));
  EXPECT_EQ(watch.path, "/etc/docker");
  EXPECT_TRUE(watch.folder);
  EXPECT_EQ(watch.permissions, 15U) << "without perm= it is for every access";
}

TEST(ParseAuditRule, TextsAreTakenInTheirOrder) {
  const AuditWatch watch = Parsed(
      AuditRule().Text(AUDIT_FILTERKEY, "/key").Text(AUDIT_EXE, "/bin/x").Text(AUDIT_WATCH, "/a"));
  EXPECT_EQ(watch.path, "/a");
  EXPECT_TRUE(watch.narrowed);
}

TEST(ParseAuditRule, AnArchitectureIsNoOtherCondition) {
  const AuditWatch watch =
      Parsed(AuditRule().Number(AUDIT_ARCH, AUDIT_ARCH_X86_64).Text(AUDIT_WATCH, "/a"));
  EXPECT_EQ(watch.architecture, static_cast<std::uint32_t>(AUDIT_ARCH_X86_64));
  EXPECT_FALSE(watch.narrowed);
}

TEST(ParseAuditRule, ConditionsNarrow) {
  EXPECT_TRUE(Parsed(AuditRule().Text(AUDIT_WATCH, "/a").Number(AUDIT_LOGINUID, 1000)).narrowed);
  EXPECT_TRUE(Parsed(AuditRule().Text(AUDIT_WATCH, "/a").Number(AUDIT_SUCCESS, 1)).narrowed);
  EXPECT_TRUE(Parsed(AuditRule().Text(AUDIT_WATCH, "/a").SystemCall(2)).narrowed);
  EXPECT_TRUE(
      Parsed(AuditRule().Text(AUDIT_WATCH, "/a").Number(AUDIT_PERM, kWriteAttr, AUDIT_NOT_EQUAL))
          .narrowed);
  EXPECT_TRUE(Parsed(AuditRule()
                         .Text(AUDIT_WATCH, "/a")
                         .Number(AUDIT_ARCH, AUDIT_ARCH_X86_64, AUDIT_NOT_EQUAL))
                  .narrowed);
}

TEST(ParseAuditRule, NeverIsNotAlways) {
  EXPECT_TRUE(Parsed(AuditRule().Action(AUDIT_NEVER).Text(AUDIT_WATCH, "/a")).never);
  // auditctl -a task,never
  const AuditWatch task = Parsed(AuditRule().List(AUDIT_FILTER_TASK).Action(AUDIT_NEVER));
  EXPECT_TRUE(task.never);
  EXPECT_EQ(task.path, "/");
  EXPECT_TRUE(task.folder);
  EXPECT_FALSE(task.narrowed);
}

TEST(ParseAuditRule, OtherListsWatchNoPath) {
  EXPECT_TRUE(WatchesNothing(AuditRule().Number(AUDIT_LOGINUID, 1000)));
  EXPECT_TRUE(WatchesNothing(AuditRule().List(AUDIT_FILTER_USER).Number(AUDIT_PID, 1)));
  EXPECT_TRUE(WatchesNothing(AuditRule().List(AUDIT_FILTER_URING_EXIT).Text(AUDIT_WATCH, "/a")));
  EXPECT_TRUE(WatchesNothing(AuditRule().List(AUDIT_FILTER_TASK).Number(AUDIT_UID, 1)));
}

TEST(ParseAuditRule, MalformedIsRefused) {
  const Bytes rule = AuditRule().Text(AUDIT_WATCH, "/a").Encode();
  EXPECT_EQ(ReasonOf({}), "AUDIT_RULE_MALFORMED");
  EXPECT_EQ(ReasonOf(ByteView(rule).first(rule.size() - 1)), "AUDIT_RULE_MALFORMED");
  EXPECT_EQ(ReasonOf(AuditRule().Text(AUDIT_WATCH, "a").Encode()), "AUDIT_RULE_MALFORMED");
  EXPECT_EQ(ReasonOf(AuditRule().Text(AUDIT_WATCH, std::string("/a\0b", 4)).Encode()),
            "AUDIT_RULE_MALFORMED");
  EXPECT_EQ(ReasonOf(AuditRule().Text(AUDIT_DIR, "/" + std::string(5000, 'a')).Encode()),
            "AUDIT_RULE_MALFORMED");
  audit_rule_data broken = {};
  broken.flags = AUDIT_FILTER_EXIT;
  broken.action = AUDIT_ALWAYS;
  broken.field_count = AUDIT_MAX_FIELDS + 1;
  EXPECT_EQ(ReasonOf(BytesOf(broken)), "AUDIT_RULE_MALFORMED");
  broken.field_count = 1;
  broken.fields[0] = AUDIT_WATCH;
  broken.values[0] = ~0U;
  EXPECT_EQ(ReasonOf(BytesOf(broken)), "AUDIT_RULE_MALFORMED");
}

}  // namespace
}  // namespace seaworthy::docker
