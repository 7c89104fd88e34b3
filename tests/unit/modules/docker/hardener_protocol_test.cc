#include "modules/docker/hardener_protocol.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;

const auto kMalformed = Fails(Code::kInvalidArgument, "HARDENER_REQUEST_MALFORMED");
const auto kNoAnswer = Fails(Code::kInternal, "HARDENER_ANSWER_MALFORMED");
const std::string kDigest(64, 'a');

HardenerRequest ToApply() {
  HardenerRequest request;
  request.call = HardenerCall::kApply;
  request.profile = "standard";
  request.consents = {Consent::kMoveData, Consent::kLoseAccess};
  request.digest = kDigest;
  request.canary = false;
  return request;
}

json JsonOf(const HardenerRequest& request) {
  const Result<std::string> line = ToLine(request);
  EXPECT_THAT(line, IsOk());
  return json::parse(*line);
}

TEST(HardenerRequest, IsReadAsItWasWritten) {
  const auto apply = ParseHardenerRequest(ToLine(ToApply()).value());
  ASSERT_THAT(apply, IsOk());
  EXPECT_EQ(apply->call, HardenerCall::kApply);
  EXPECT_EQ(apply->profile, "standard");
  EXPECT_EQ(apply->consents, ToApply().consents);
  EXPECT_EQ(apply->digest, kDigest);
  EXPECT_EQ(apply->canary, std::optional(false));

  HardenerRequest back;
  back.call = HardenerCall::kRollBack;
  back.transaction = "20261129T101500.123456Z-1f2e3d4c";
  back.consents = {Consent::kStopContainers};
  const auto read = ParseHardenerRequest(ToLine(back).value());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->transaction, back.transaction);
  EXPECT_EQ(read->consents, back.consents);

  for (const HardenerCall call :
       {HardenerCall::kAudit, HardenerCall::kWatch, HardenerCall::kPlan, HardenerCall::kHistory}) {
    HardenerRequest request;
    request.call = call;
    request.profile = "standard";
    const auto other = ParseHardenerRequest(ToLine(request).value());
    ASSERT_THAT(other, IsOk());
    EXPECT_EQ(other->call, call);
    EXPECT_EQ(other->profile, call == HardenerCall::kPlan ? "standard" : "");
  }
}

TEST(HardenerRequest, WithoutACanaryLeavesItToTheProfile) {
  HardenerRequest request = ToApply();
  request.canary.reset();
  EXPECT_EQ(ParseHardenerRequest(ToLine(request).value())->canary, std::nullopt);
}

TEST(HardenerRequest, IsOneObjectAndNothingElse) {
  for (const std::string line :
       {"", "{}", "[]", "null", R"({"call":"audit"} {"call":"audit"})", R"({"call":"audit"},)",
        R"({"call":"audit","call":"apply"})", R"({"call":1})", R"({"call":"watch-all"})",
        "\xef\xbb\xbf{\"call\":\"audit\"}"}) {
    EXPECT_THAT(ParseHardenerRequest(line), kMalformed) << line;
  }
  const std::string whole = ToLine(ToApply()).value();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ParseHardenerRequest(whole.substr(0, size)), kMalformed) << size;
  }
  EXPECT_THAT(
      ParseHardenerRequest(R"({"call":"audit")" + std::string(kMaxHardenerRequest, ' ') + "}"),
      kMalformed);
}

// M-110: nothing that could become a file's content or path, a socket or a command.
TEST(HardenerRequest, HasTheFieldsOfItsCallAlone) {
  for (const HardenerCall call : {HardenerCall::kAudit, HardenerCall::kPlan, HardenerCall::kApply,
                                  HardenerCall::kRollBack, HardenerCall::kHistory}) {
    HardenerRequest request = ToApply();
    request.call = call;
    const json good = JsonOf(request);
    EXPECT_THAT(ParseHardenerRequest(good.dump()), IsOk()) << good;
    for (const std::string name : {"profile_text", "root", "socket", "state", "files", "engine"}) {
      json more = good;
      more[name] = "/etc";
      EXPECT_THAT(ParseHardenerRequest(more.dump()), kMalformed) << more;
    }
  }
  json audit = JsonOf({});
  audit["profile"] = "standard";
  EXPECT_THAT(ParseHardenerRequest(audit.dump()), kMalformed);
}

TEST(HardenerRequest, EachFieldIsNeededAndOfItsType) {
  const json good = JsonOf(ToApply());
  for (const auto& [name, value] : good.items()) {
    json bad = good;
    bad.erase(name);
    if (name != "canary") {
      EXPECT_THAT(ParseHardenerRequest(bad.dump()), Not(IsOk())) << name;
    }
    bad[name] = 7;
    EXPECT_THAT(ParseHardenerRequest(bad.dump()), kMalformed) << name;
  }
}

TEST(HardenerRequest, NamesNoOtherFileThanAProfile) {
  HardenerRequest request = ToApply();
  for (const std::string name :
       {"", "../standard", "a/b", ".", "a.json", "Standard", "a b", "a\n"}) {
    request.profile = name;
    EXPECT_THAT(ToLine(request), Fails(Code::kInvalidArgument, "PROFILE_NAME")) << name;
    json bad = JsonOf(ToApply());
    bad["profile"] = name;
    EXPECT_THAT(ParseHardenerRequest(bad.dump()), Fails(Code::kInvalidArgument, "PROFILE_NAME"));
  }
  request.profile = std::string(65, 'a');
  EXPECT_THAT(ToLine(request), Fails(Code::kInvalidArgument, "PROFILE_NAME"));

  HardenerRequest back;
  back.call = HardenerCall::kRollBack;
  for (const std::string id : {"../x", "a/b", ".", "a b"}) {
    back.transaction = id;
    EXPECT_THAT(ToLine(back), Fails(Code::kInvalidArgument, "TRANSACTION_ID_INVALID")) << id;
  }
}

TEST(HardenerRequest, AppliesNoPlanThatNobodyHasSeen) {
  for (const std::string& digest : {std::string(), std::string(63, 'a'), std::string(65, 'a'),
                                    std::string(64, 'A'), std::string(64, 'g')}) {
    HardenerRequest request = ToApply();
    request.digest = digest;
    EXPECT_THAT(ToLine(request), Fails(Code::kInvalidArgument, "PLAN_DIGEST_INVALID")) << digest;
    json bad = JsonOf(ToApply());
    bad["digest"] = digest;
    EXPECT_THAT(ParseHardenerRequest(bad.dump()),
                Fails(Code::kInvalidArgument, "PLAN_DIGEST_INVALID"));
  }
}

TEST(HardenerRequest, ConsentsAreKnownOnes) {
  json bad = JsonOf(ToApply());
  bad["consents"] = {"everything"};
  EXPECT_THAT(ParseHardenerRequest(bad.dump()), Fails(Code::kInvalidArgument, "CONSENT_UNKNOWN"));
}

TEST(HardenerMessage, IsReadAsItWasWritten) {
  const auto step = ParseHardenerMessage(StepLine(R"({"name":"write","text":"a\nb"})"));
  ASSERT_THAT(step, IsOk());
  EXPECT_EQ(step->kind, HardenerMessage::Kind::kStep);
  EXPECT_EQ(json::parse(step->json), json({{"name", "write"}, {"text", "a\nb"}}));

  const auto event = ParseHardenerMessage(EventLine(R"({"kind":"audit"})"));
  ASSERT_THAT(event, IsOk());
  EXPECT_EQ(event->kind, HardenerMessage::Kind::kEvent);

  const std::string line = AnswerLine("{\n \"findings\": [\n  1\n ]\n}\n");
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  const auto answer = ParseHardenerMessage(line);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->kind, HardenerMessage::Kind::kAnswer);
  EXPECT_EQ(json::parse(answer->json), json({{"findings", {1}}}));

  const auto error = ParseHardenerMessage(
      ErrorLine(Fail(Code::kAborted, "PLAN_CHANGED", "it is\nanother \xff one")));
  ASSERT_THAT(error, IsOk());
  EXPECT_EQ(error->kind, HardenerMessage::Kind::kError);
  EXPECT_THAT(error->error, Fails(Code::kAborted, "PLAN_CHANGED"));
  EXPECT_THAT(Message(error->error), HasSubstr("it is?another"));
}

TEST(HardenerMessage, OfAnErrorWhatIsTooLongIsCut) {
  const auto error = ParseHardenerMessage(
      ErrorLine(Fail(Code::kInternal, std::string(100, 'R'), std::string(10000, '\xff'))));
  ASSERT_THAT(error, IsOk());
  EXPECT_EQ(Reason(error->error), std::string(64, 'R'));
  EXPECT_EQ(Message(error->error), std::string(4096, '?'));
}

TEST(HardenerMessage, WhatIsNoneIsRefused) {
  for (const std::string line :
       {"", "{}", "garbage", R"({"answer":7})", R"({"answer":{},"step":{}})", R"({"other":{}})",
        R"({"error":{}})", R"({"error":{"code":"OK","reason":"R","message":""}})",
        R"({"error":{"code":"ABORTED","reason":"no word","message":""}})",
        R"({"error":{"code":"ABORTED","reason":"","message":""}})",
        R"({"answer":{"a":1,"a":2}})"}) {
    EXPECT_THAT(ParseHardenerMessage(line), kNoAnswer) << line;
  }
}

}  // namespace
}  // namespace seaworthy::docker
