#include "seaworthy/verifier.h"

#include "seaworthy/boot_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/status_matchers.h"
#include "unit/verify/forger.h"
#include "unit/verify/ima_evidence.h"
#include "unit/verify/verdict_matchers.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;

Judgement Judge(const Policy& policy, const Capture& capture,
                const std::optional<NodeState>& previous = std::nullopt) {
  Result<Verifier> verifier = Verifier::Create(policy);
  EXPECT_TRUE(verifier.ok()) << verifier.status();
  return verifier->Verify(capture.evidence, capture.nonce, capture.ak, previous);
}

// The finding of that code; there must be one.
Finding Find(const Verdict& verdict, const std::string& code) {
  for (const Finding& finding : verdict.findings) {
    if (finding.code == code) return finding;
  }
  ADD_FAILURE() << "no " << code << " in: " << Explain(verdict);
  return {};
}

class GuestEvidence : public ::testing::TestWithParam<std::string> {
 protected:
  Capture capture_ = ReadImaCapture(GetParam());
  Policy policy_ = PolicyOf(capture_.evidence.ima_list);
};

TEST_P(GuestEvidence, IsTrustedByAPolicyMadeOfIt) {
  const Judgement judgement = Judge(policy_, capture_);
  EXPECT_THAT(judgement.verdict, Trusted());
  ASSERT_TRUE(judgement.state);
  EXPECT_EQ(judgement.state->ima_entries, EntryOffsets(capture_.evidence.ima_list).size() - 1);
  Find(judgement.verdict, "IMA_LIST_MATCHES");
}

TEST_P(GuestEvidence, GoesOnFromTheLastRound) {
  const Capture first = ReadImaCapture(GetParam(), "q0");
  const Judgement before = Judge(policy_, first);
  EXPECT_THAT(before.verdict, Trusted());
  ASSERT_TRUE(before.state);
  const std::size_t seen = before.state->ima_entries;
  const Capture second = ReadImaCapture(GetParam(), "quote", seen);
  // As any of the backend's machines would have it: out of a file.
  const NodeState state = ParseNodeState(ToJson(*before.state)).value();
  const Judgement after = Judge(policy_, second, state);
  EXPECT_THAT(after.verdict, Trusted());
  EXPECT_EQ(after.state->ima_entries, seen + EntryOffsets(second.evidence.ima_list).size() - 1);
  // Nothing new is as good.
  Capture again = second;
  again.evidence.ima_first = after.state->ima_entries;
  again.evidence.ima_list.clear();
  EXPECT_THAT(Judge(policy_, again, after.state).verdict, Trusted());
}

TEST_P(GuestEvidence, RemovedReorderedOrCutIsRefused) {
  const Bytes whole = capture_.evidence.ima_list;
  const std::vector<std::size_t> at = EntryOffsets(whole);
  const auto list = [&](std::initializer_list<std::pair<std::size_t, std::size_t>> parts) {
    Bytes joined;
    for (const auto& [from, to] : parts) {
      joined.insert(joined.end(), whole.begin() + static_cast<std::ptrdiff_t>(at[from]),
                    whole.begin() + static_cast<std::ptrdiff_t>(at[to]));
    }
    return joined;
  };
  const std::size_t n = at.size() - 1;
  for (const Bytes& forged :
       {list({{0, n / 2}, {n / 2 + 1, n}}), list({{0, 5}, {6, 7}, {5, 6}, {7, n}}),
        list({{0, n - 1}}), list({{0, 1}})}) {
    Capture capture = capture_;
    capture.evidence.ima_list = forged;
    const Judgement judgement = Judge(policy_, capture);
    EXPECT_THAT(judgement.verdict, Untrusted("IMA_LIST_MISMATCH"));
    EXPECT_FALSE(judgement.state);
  }
  Capture capture = capture_;
  capture.evidence.ima_list = list({{1, n}});
  EXPECT_THAT(Judge(policy_, capture).verdict,
              Untrusted("BOOT_AGGREGATE_MISSING", "IMA_LIST_MISMATCH"));
  capture.evidence.ima_list.clear();
  EXPECT_THAT(Judge(policy_, capture).verdict, Untrusted("IMA_LIST_MISSING"));
}

TEST_P(GuestEvidence, BeyondTheQuoteIsRefused) {
  const std::vector<std::size_t> at = EntryOffsets(capture_.evidence.ima_list);
  Bytes& list = capture_.evidence.ima_list;
  // An entry that the policy would allow.
  const Bytes again(list.begin() + static_cast<std::ptrdiff_t>(at[3]),
                    list.begin() + static_cast<std::ptrdiff_t>(at[4]));
  list.insert(list.end(), again.begin(), again.end());
  EXPECT_THAT(Judge(policy_, capture_).verdict, Untrusted("IMA_LIST_BEYOND_QUOTE"));
  list.resize(list.size() - 1);
  EXPECT_THAT(Judge(policy_, capture_).verdict, Untrusted("IMA_LIST_BEYOND_QUOTE"));
}

TEST_P(GuestEvidence, AnEditedPathIsRefused) {
  const std::vector<std::size_t> at = EntryOffsets(capture_.evidence.ima_list);
  // The last letter of the name in entry 7; what is behind it is NUL or nothing of the name's.
  const Bytes list = capture_.evidence.ima_list;
  ImaListReader reader;
  reader.Add(list);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(reader.Next().ok());
  const ImaEntry entry = **reader.Next();
  const std::string path(ParseImaFields(entry)->path);
  const auto place =
      std::ranges::search(capture_.evidence.ima_list.begin() + static_cast<std::ptrdiff_t>(at[7]),
                          capture_.evidence.ima_list.end(), path.begin(), path.end());
  ASSERT_FALSE(place.empty());
  *(place.end() - 1) ^= 1;
  const Judgement judgement = Judge(policy_, capture_);
  EXPECT_FALSE(judgement.verdict.trusted);
  EXPECT_EQ(Find(judgement.verdict, "IMA_ENTRY_EDITED").entry, 7U);
  Find(judgement.verdict, "IMA_LIST_MISMATCH");
}

TEST_P(GuestEvidence, AFileThatIsNotAllowedIsNamed) {
  ASSERT_EQ(policy_.ima.files.erase("/bin/busybox"), 1U);
  policy_.ima.files.at("/init").front().digest[0] ^= 1;
  const Verdict verdict = Judge(policy_, capture_).verdict;
  EXPECT_FALSE(verdict.trusted);
  const Finding unlisted = Find(verdict, "IMA_FILE_UNLISTED");
  EXPECT_EQ(unlisted.file, "/bin/busybox");
  EXPECT_FALSE(unlisted.found.empty());
  const Finding changed = Find(verdict, "IMA_FILE_CHANGED");
  EXPECT_EQ(changed.file, "/init");
  EXPECT_NE(changed.expected, changed.found);
  EXPECT_EQ(changed.pcr, 10U);
}

TEST_P(GuestEvidence, ExcludedAndToldOnly) {
  policy_.ima.files.erase("/bin/busybox");
  policy_.ima.exclude = {"/bin/*"};
  EXPECT_THAT(Judge(policy_, capture_).verdict, Trusted());
  policy_.ima.exclude = {"/bin/busy"};
  EXPECT_FALSE(Judge(policy_, capture_).verdict.trusted);
  policy_.ima.unlisted = verify::Judge::kTell;
  const Verdict told = Judge(policy_, capture_).verdict;
  EXPECT_THAT(told, Trusted());
  EXPECT_EQ(Find(told, "IMA_FILE_UNLISTED").severity, Severity::kWarning);
  // A path that is listed is judged, excluded or not.
  policy_.ima.exclude = {"/init", "/bin/*"};
  policy_.ima.files.at("/init").front().digest[0] ^= 1;
  EXPECT_FALSE(Judge(policy_, capture_).verdict.trusted);
}

TEST_P(GuestEvidence, InChunksIsTheSame) {
  Bytes list;
  list.swap(capture_.evidence.ima_list);
  const Verifier verifier = Verifier::Create(policy_).value();
  Round round = verifier.Begin(capture_.evidence, capture_.nonce, capture_.ak, std::nullopt);
  for (std::size_t i = 0; i < list.size(); i += 1000) {
    round.AddImaList(ByteView(list).subspan(i, std::min<std::size_t>(1000, list.size() - i)));
  }
  EXPECT_THAT(std::move(round).Finish().verdict, Trusted());
}

TEST_P(GuestEvidence, NothingIsJudgedThatIsNotQuoted) {
  Capture other = capture_;
  other.evidence.pcrs[3].digest[0] ^= 1;
  EXPECT_THAT(Judge(policy_, other).verdict, Untrusted("PCR_DIGEST_MISMATCH"));
  other = capture_;
  other.nonce[0] ^= 1;
  EXPECT_THAT(Judge(policy_, other).verdict, Untrusted("NONCE_MISMATCH"));
  other = capture_;
  other.ak.name.back() ^= 1;
  EXPECT_FALSE(Judge(policy_, other).verdict.trusted);
}

TEST_P(GuestEvidence, PcrValuesAreThePolicys) {
  for (const PcrValue& pcr : capture_.evidence.pcrs) {
    if (pcr.index < 8) policy_.pcrs[{pcr.bank, pcr.index}] = {pcr.digest};
  }
  EXPECT_THAT(Judge(policy_, capture_).verdict, Trusted());
  policy_.pcrs.begin()->second = {Bytes(32, 1), policy_.pcrs.begin()->second.front()};
  EXPECT_THAT(Judge(policy_, capture_).verdict, Trusted());
  policy_.pcrs.begin()->second.pop_back();
  policy_.pcrs[{TPM2_ALG_SHA512, 0}] = {Bytes(64)};
  EXPECT_THAT(Judge(policy_, capture_).verdict, Untrusted("PCR_UNEXPECTED", "PCR_NOT_IN_QUOTE"));
}

TEST_P(GuestEvidence, CountersDoNotGoBack) {
  const NodeState state = *Judge(policy_, capture_).state;
  EXPECT_THAT(Judge(policy_, capture_, state).verdict, Trusted());
  NodeState later = state;
  later.clock_ms += 1;
  EXPECT_THAT(Judge(policy_, capture_, later).verdict, Untrusted("COUNTERS_WENT_BACK"));
  later = state;
  later.restart_count += 1;
  EXPECT_THAT(Judge(policy_, capture_, later).verdict, Untrusted("COUNTERS_WENT_BACK"));
  later = state;
  later.reset_count += 1;
  EXPECT_THAT(Judge(policy_, capture_, later).verdict, Untrusted("EVIDENCE_FROM_EARLIER_BOOT"));
  later = state;
  later.ak_name.back() ^= 1;
  EXPECT_THAT(Judge(policy_, capture_, later).verdict, Untrusted("STATE_OF_ANOTHER_NODE"));
}

TEST_P(GuestEvidence, AfterARebootTheListBeginsAnew) {
  NodeState before = *Judge(policy_, capture_).state;
  ASSERT_GT(capture_.evidence.ima_list.size(), 0U);
  // The captures' TPMs had been reset some times before.
  const Verdict same = Judge(policy_, capture_, before).verdict;
  ASSERT_GT(same.clock.reset_count, 0U);
  before.reset_count -= 1;
  before.ima_entries += 1000;
  const Judgement rebooted = Judge(policy_, capture_, before);
  EXPECT_THAT(rebooted.verdict, Trusted());
  Find(rebooted.verdict, "REBOOTED");
  // What the last boot had measured is of no use now.
  capture_.evidence.ima_first = before.ima_entries;
  EXPECT_THAT(Judge(policy_, capture_, before).verdict, Untrusted("IMA_LIST_GAP"));
}

TEST_P(GuestEvidence, AGapIsRefused) {
  const NodeState state = *Judge(policy_, ReadImaCapture(GetParam(), "q0")).state;
  Capture gap = ReadImaCapture(GetParam(), "quote", state.ima_entries - 1);
  EXPECT_THAT(Judge(policy_, gap, state).verdict, Untrusted("IMA_LIST_GAP"));
  EXPECT_THAT(Judge(policy_, gap).verdict, Untrusted("IMA_LIST_GAP"));
}

INSTANTIATE_TEST_SUITE_P(Captures, GuestEvidence, ::testing::ValuesIn(GuestFolders()), TestName);

class GuestBoot : public ::testing::TestWithParam<std::string> {
 protected:
  GuestBoot() {
    capture_.evidence.boot_log = ReadCapture(GetParam(), "binary_bios_measurements");
    policy_.boot.required = true;
  }
  Capture capture_ = ReadImaCapture(GetParam());
  Policy policy_;
};
INSTANTIATE_TEST_SUITE_P(Captures, GuestBoot, ::testing::ValuesIn(GuestFolders()), TestName);

TEST_P(GuestBoot, ALearnedPolicyTrustsTheWholeEvidence) {
  const Result<Policy> learned = LearnPolicy(capture_.evidence, {0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(learned.ok()) << learned.status();
  Policy policy = ParsePolicy(ToJson(*learned)).value();
  policy.ima.violations = verify::Judge::kTell;
  const Verdict verdict = Judge(policy, capture_).verdict;
  EXPECT_THAT(verdict, Trusted());
  Find(verdict, "BOOT_LOG_MATCHES");
  EXPECT_EQ(policy.boot.verified_boot, GetParam() == "ovmf-secureboot-uki");
}

TEST_P(GuestBoot, AnEditedLogIsRefused) {
  EXPECT_THAT(Judge(policy_, capture_).verdict, Trusted());
  const BootLog log = ParseBootLog(capture_.evidence.boot_log).value();
  for (const BootEvent& event : log.events) {
    const auto digest = event.digests.find(TPM2_ALG_SHA256);
    if (event.type == 3 || digest == event.digests.end()) continue;  // EV_NO_ACTION
    Capture edited = capture_;
    Bytes& file = edited.evidence.boot_log;
    const auto place =
        std::ranges::search(file.begin() + static_cast<std::ptrdiff_t>(event.offset), file.end(),
                            digest->second.begin(), digest->second.end());
    ASSERT_FALSE(place.empty());
    *place.begin() ^= 1;
    const Verdict verdict = Judge(policy_, edited).verdict;
    if (event.pcr < 8) {
      EXPECT_THAT(verdict, Untrusted("BOOT_LOG_MISMATCH")) << event.number;
      EXPECT_EQ(Find(verdict, "BOOT_LOG_MISMATCH").pcr, event.pcr);
    }
  }
  capture_.evidence.boot_log.resize(capture_.evidence.boot_log.size() / 2);
  EXPECT_FALSE(Judge(policy_, capture_).verdict.trusted);
  capture_.evidence.boot_log.clear();
  EXPECT_THAT(Judge(policy_, capture_).verdict, Untrusted("BOOT_LOG_MISSING"));
}

TEST_P(GuestBoot, SecureBootIsAskedFor) {
  policy_.boot.secure_boot = true;
  policy_.boot.verified_boot = true;
  const Verdict verdict = Judge(policy_, capture_).verdict;
  EXPECT_EQ(verdict.trusted, GetParam() == "ovmf-secureboot-uki") << Explain(verdict);
}

TEST_P(GuestBoot, AnEfiProgramThatIsNotAllowedIsNamed) {
  policy_.boot.images = {Bytes(32, 1)};
  const Verdict verdict = Judge(policy_, capture_).verdict;
  if (GetParam().starts_with("seabios")) {  // loads none
    EXPECT_THAT(verdict, Trusted());
    return;
  }
  EXPECT_FALSE(verdict.trusted);
  EXPECT_EQ(Find(verdict, "BOOT_IMAGE_UNEXPECTED").pcr, 4U);
}

// M-53
TEST_P(GuestBoot, AnAuthorityThatIsNotAllowedIsNamed) {
  const bool verified = GetParam() == "ovmf-secureboot-uki";
  const BootPolicy learned = LearnPolicy(capture_.evidence, {})->boot;
  EXPECT_EQ(learned.authorities.size(), verified ? 1U : 0U);
  policy_.boot.authorities = {Bytes(32, 1)};
  const Verdict verdict = Judge(policy_, capture_).verdict;
  if (!verified) {
    EXPECT_THAT(verdict, Untrusted("BOOT_AUTHORITY_NOT_PROVEN"));
    return;
  }
  EXPECT_THAT(verdict, Untrusted("BOOT_AUTHORITY_UNEXPECTED"));
  const Finding finding = Find(verdict, "BOOT_AUTHORITY_UNEXPECTED");
  EXPECT_EQ(finding.pcr, 7U);
  EXPECT_THAT(finding.sentence, ::testing::HasSubstr("O=SnakeOil"));
  EXPECT_EQ(finding.found, "sha256:" + Hex(learned.authorities.front()));
  policy_.boot.authorities.push_back(learned.authorities.front());
  EXPECT_THAT(Judge(policy_, capture_).verdict, Trusted());
}

TEST_P(GuestBoot, ACommandLineThatNobodyVouchesForIsNone) {
  policy_.boot.command_lines = {"quiet"};
  const Verdict verdict = Judge(policy_, capture_).verdict;
  EXPECT_FALSE(verdict.trusted) << Explain(verdict);
}

// What was run in these guests: a file opened for writing while it was read, and the other way.
TEST(Violations, AreRefusedToldOrIgnored) {
  const Capture capture = ReadImaCapture("seabios-template-ima-ng");
  Policy policy = PolicyOf(capture.evidence.ima_list);
  policy.ima.violations = verify::Judge::kFail;
  const Verdict refused = Judge(policy, capture).verdict;
  EXPECT_THAT(refused, Untrusted("IMA_VIOLATION", "IMA_VIOLATION"));
  EXPECT_EQ(Find(refused, "IMA_VIOLATION").file, "/var/tmp/v1");
  policy.ima.violations = verify::Judge::kTell;
  EXPECT_EQ(Find(Judge(policy, capture).verdict, "IMA_VIOLATION").severity, Severity::kWarning);
  policy.ima.violations = verify::Judge::kIgnore;
  EXPECT_THAT(Codes(Judge(policy, capture).verdict, Severity::kWarning), ::testing::IsEmpty());
  policy.ima.violations = verify::Judge::kFail;
  policy.ima.exclude = {"/var/tmp/*"};
  EXPECT_THAT(Judge(policy, capture).verdict, Trusted());
}

TEST(NodeState, RefusesWhatIsNone) {
  EXPECT_THAT(ParseNodeState(""), Fails(Code::kInvalidArgument, "STATE_MALFORMED"));
  EXPECT_THAT(ParseNodeState("[]"), Fails(Code::kInvalidArgument, "STATE_MALFORMED"));
  EXPECT_THAT(ParseNodeState("{\"seaworthy_node_state\": 2}"),
              Fails(Code::kInvalidArgument, "STATE_MALFORMED"));
  NodeState state;
  state.ima_pcrs.push_back({TPM2_ALG_SHA256, ImaReplay::Form::kPaddedSha1, Bytes(31)});
  EXPECT_THAT(ParseNodeState(ToJson(state)), Fails(Code::kInvalidArgument, "STATE_MALFORMED"));
  state.ima_pcrs[0].value.resize(32);
  EXPECT_EQ(ParseNodeState(ToJson(state))->ima_pcrs[0].form, ImaReplay::Form::kPaddedSha1);
}

}  // namespace
}  // namespace seaworthy::verify
