#include "verify/ima_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/ima_entry.h"

namespace seaworthy::verify {
namespace {

// What is said of a list with more unlisted files than are told one by one.
std::vector<Finding> JudgeMany(Judge unlisted) {
  ImaPolicy policy;
  policy.required = true;
  policy.unlisted = unlisted;
  const ImaFileTable files(policy);
  const ImaKeys keys = ImaKeys::Parse({}).value();
  Bytes list;
  ImaReplay replay = ImaReplay::Start(TPM2_ALG_SHA256).value();
  for (int i = 0; i < 1100; ++i) {
    const Bytes bytes = testing::MakeImaNgEntry("/tmp/" + std::to_string(i), Bytes(32, 1));
    list.insert(list.end(), bytes.begin(), bytes.end());
    ImaListReader reader;
    reader.Add(bytes);
    const ImaEntry entry = reader.Next().value().value();
    replay.Extend(entry, ImaTemplateSha1(entry));
  }
  const ByteView pcr10 = replay.Value(ImaReplay::Form::kNative);
  Report report;
  ImaJudge judge(policy, files, keys, {{TPM2_ALG_SHA256, kImaPcr, {pcr10.begin(), pcr10.end()}}}, 0,
                 nullptr, report);
  judge.Add(list, report);
  judge.Finish(report);
  return std::move(report).Complete({}).findings;
}

Severity SeverityOfMore(const std::vector<Finding>& findings) {
  const auto more = std::ranges::find(findings, "IMA_MORE_FINDINGS", &Finding::code);
  EXPECT_NE(more, findings.end());
  return more == findings.end() ? Severity::kInfo : more->severity;
}

TEST(ImaJudge, WhatIsNotToldIsAsBadAsTheWorstOfIt) {
  EXPECT_EQ(SeverityOfMore(JudgeMany(Judge::kFail)), Severity::kFailure);
  EXPECT_EQ(SeverityOfMore(JudgeMany(Judge::kTell)), Severity::kWarning);
}

}  // namespace
}  // namespace seaworthy::verify
