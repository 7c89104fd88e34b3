#include "verify/boot_judge.h"

#include <gmock/gmock.h>

#include "seaworthy/verifier.h"
#include "unit/verify/boot_log_builder.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The PCRs that a TPM would have quoted after this log.
std::vector<PcrValue> Quoted(const BootLog& log) {
  std::vector<PcrValue> pcrs;
  for (const ReplayedPcr& pcr : ReplayBootLog(log).pcrs) {
    pcrs.push_back({pcr.bank, pcr.index, pcr.digest});
  }
  return pcrs;
}

Verdict Judge(const BootPolicy& policy, const LogBuilder& log) {
  Report report;
  JudgeBootLog(policy, log.file(), Quoted(log.Parse()), report);
  return std::move(report).Complete({});
}

// As ovmf-secureboot-uki's db has it.
Bytes Snakeoil() { return CapturedLog("ovmf-secureboot-uki").events.at(22).data; }

LogBuilder WithAuthority(const Bytes& authority) {
  LogBuilder log;
  log.Separators().Add(7, kEvEfiVariableAuthority, authority);
  return log;
}

std::vector<Bytes> Learned(const LogBuilder& log) {
  Evidence evidence;
  evidence.pcrs = Quoted(log.Parse());
  evidence.boot_log = log.file();
  return LearnPolicy(evidence, {})->boot.authorities;
}

// M-53
TEST(BootAuthorities, ABareHashIsUnexpectedWhateverThePolicyHas) {
  const LogBuilder log = WithAuthority(Variable(kSecurityDatabase, "db", Bytes(48, 3)));
  BootPolicy policy;
  policy.authorities = {Bytes(32, 3)};
  const Verdict verdict = Judge(policy, log);
  EXPECT_THAT(verdict, Untrusted("BOOT_AUTHORITY_UNEXPECTED"));
  EXPECT_THAT(verdict.findings.back().sentence,
              HasSubstr("db that the policy does not allow: the hash"));
  EXPECT_EQ(verdict.findings.back().found, "sha256:" + Hex(Bytes(32, 3)));
  policy.authorities.clear();
  EXPECT_THAT(Judge(policy, log), Trusted());
}

TEST(BootAuthorities, ThoseOfShimCountToo) {
  const Bytes db = Snakeoil();
  // GUID, lengths, "db" in UTF-16.
  const Bytes entry(db.begin() + 16 + 8 + 8 + 4, db.end());
  for (const std::string name : {"MokList", "Shim"}) {
    const LogBuilder log = WithAuthority(Variable(kGlobal, name, entry));
    BootPolicy policy;
    policy.authorities = {Bytes(32, 1)};
    const Verdict verdict = Judge(policy, log);
    EXPECT_THAT(verdict, Untrusted("BOOT_AUTHORITY_UNEXPECTED"));
    EXPECT_THAT(verdict.findings.back().sentence, HasSubstr("entry of " + name + " "));
    policy.authorities = Learned(log);
    EXPECT_THAT(Judge(policy, log), Trusted());
  }
}

TEST(BootAuthorities, WhatMayHideOneIsRefused) {
  BootPolicy policy;
  policy.authorities = Learned(WithAuthority(Snakeoil()));
  LogBuilder log = WithAuthority(Snakeoil());
  EXPECT_THAT(Judge(policy, log), Trusted());
  log.Add(7, kEvEfiAction, ToBytes("nothing"), Snakeoil());
  EXPECT_THAT(Judge(policy, log), Untrusted("BOOT_AUTHORITY_NOT_PROVEN"));
  EXPECT_THAT(Judge(policy, LogBuilder().Separators()), Untrusted("BOOT_AUTHORITY_NOT_PROVEN"));
}

TEST(BootAuthorities, AreLearnedOnceAndOnlyWhereTheRuleWouldHold) {
  LogBuilder log = WithAuthority(Snakeoil());
  log.Add(7, kEvEfiVariableAuthority, Snakeoil());
  EXPECT_EQ(Learned(log).size(), 1U);
  log.Add(7, kEvEfiVariableAuthority, Variable(kSecurityDatabase, "db", Bytes(48, 3)));
  EXPECT_THAT(Learned(log), IsEmpty());
  log = WithAuthority(Snakeoil());
  log.Add(7, kEvIpl, Snakeoil());
  EXPECT_THAT(Learned(log), IsEmpty());
}

}  // namespace
}  // namespace seaworthy::verify
