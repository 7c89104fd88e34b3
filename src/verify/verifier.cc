#include "seaworthy/verifier.h"

#include <algorithm>
#include <utility>

#include "seaworthy/status_macros.h"
#include "verify/boot_judge.h"
#include "verify/clock_judge.h"
#include "verify/digest.h"
#include "verify/ima_judge.h"
#include "verify/pcr_values.h"
#include "verify/quote.h"
#include "verify/report.h"

namespace seaworthy::verify {
namespace {

void CheckPcrPolicy(const Policy& policy, const std::vector<PcrValue>& pcrs, Report& report) {
  for (const auto& [id, allowed] : policy.pcrs) {
    const auto& [bank, index] = id;
    const std::string name = "PCR " + std::to_string(index) + " of bank " + HashName(bank);
    const Bytes* found = FindPcr(pcrs, bank, index);
    std::string expected;
    for (const Bytes& value : allowed) expected += (expected.empty() ? "" : ", ") + Hex(value);
    if (found == nullptr) {
      report.Add({.code = "PCR_NOT_IN_QUOTE",
                  .expected = expected,
                  .sentence = name + " is needed by the policy and is not quoted.",
                  .pcr = index});
    } else if (std::ranges::find(allowed, *found) == allowed.end()) {
      report.Add({.code = "PCR_UNEXPECTED",
                  .expected = expected,
                  .found = Hex(*found),
                  .sentence = name + " has a value that the policy does not allow.",
                  .pcr = index});
    } else {
      report.Add({.code = "PCR_AS_EXPECTED",
                  .severity = Severity::kInfo,
                  .sentence = name + " has a value that the policy allows.",
                  .pcr = index});
    }
  }
}

void JudgeKey(const KeyCertification& certification, ByteView nonce, const EnrolledKey& ak,
              Report& report) {
  const Result<Bytes> known = NameOf(certification.key_public);
  const std::string name = known.ok() ? Hex(*known) : "";
  const std::string about = name.empty() ? "A key without a name: " : "Key " + name + ": ";
  Verdict verdict = VerifyKeyCertification(certification, nonce, ak, {});
  if (verdict.trusted) {
    report.Add(
        {.code = "KEY_CERTIFIED",
         .severity = Severity::kInfo,
         .sentence = about + "The attestation key certified it, and it cannot leave its TPM.",
         .key = name});
  }
  for (Finding& finding : verdict.findings) {
    if (finding.severity != Severity::kFailure) continue;
    finding.key = name;
    finding.sentence = about + finding.sentence;
    report.Add(std::move(finding));
  }
  for (ProvenKey& key : verdict.keys) report.AddKey(std::move(key));
}

void JudgeKeys(const std::vector<KeyCertification>& keys, ByteView nonce, const EnrolledKey& ak,
               Report& report) {
  if (keys.size() > kMaxKeys) {
    report.Failed("KEYS_TOO_MANY", "More keys are certified than are looked at.",
                  "at most " + std::to_string(kMaxKeys), std::to_string(keys.size()));
    return;
  }
  for (const KeyCertification& certification : keys) JudgeKey(certification, nonce, ak, report);
}

}  // namespace

struct Verifier::Ready {
  Policy policy;
  ImaFileTable files;
  ImaKeys keys;
};

struct Round::Parts {
  Bytes ak_name;
  Report report;
  std::optional<ClockInfo> clock;
  std::optional<ImaJudge> ima;
};

Round::Round(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Round::Round(Round&&) noexcept = default;
Round::~Round() = default;

void Round::AddImaList(ByteView chunk) {
  if (parts_->ima) parts_->ima->Add(chunk, parts_->report);
}

Judgement Round::Finish() && {
  Parts& parts = *parts_;
  if (!parts.clock) return {.verdict = std::move(parts.report).BrokenOff(), .state = {}};
  if (parts.ima) parts.ima->Finish(parts.report);
  Judgement judgement = {.verdict = std::move(parts.report).Complete(*parts.clock), .state = {}};
  if (!judgement.verdict.trusted) return judgement;
  NodeState& state = judgement.state.emplace();
  state.ak_name = parts.ak_name;
  state.clock_ms = parts.clock->clock_ms;
  state.reset_count = parts.clock->reset_count;
  state.restart_count = parts.clock->restart_count;
  if (parts.ima) {
    state.ima_entries = parts.ima->entries();
    state.ima_pcrs = parts.ima->pcr_values();
  }
  return judgement;
}

Verifier::Verifier(std::unique_ptr<Ready> ready) : ready_(std::move(ready)) {}
Verifier::Verifier(Verifier&&) noexcept = default;
Verifier::~Verifier() = default;

Result<Verifier> Verifier::Create(Policy policy) {
  ASSIGN_OR_RETURN(ImaKeys keys, ImaKeys::Parse(policy.ima.keys));
  ImaFileTable files(policy.ima);
  return Verifier(
      std::make_unique<Ready>(Ready{std::move(policy), std::move(files), std::move(keys)}));
}

Round Verifier::Begin(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak,
                      const std::optional<NodeState>& previous,
                      std::optional<std::chrono::seconds> nonce_age) const {
  auto parts = std::make_unique<Round::Parts>();
  parts->ak_name = ak.name;
  const CheckedQuote quote = CheckQuote(evidence, nonce, ak, parts->report);
  parts->clock = quote.clock;
  // What the TPM did not quote says nothing, so there is nothing more to look at.
  if (!quote.clock || !quote.pcrs_hold) return Round(std::move(parts));
  const bool same_boot =
      JudgeClock(ready_->policy.clock, previous, ak, *quote.clock, parts->report);
  JudgeAge(ready_->policy.clock, nonce_age, parts->report);
  JudgeKeys(evidence.keys, nonce, ak, parts->report);
  CheckPcrPolicy(ready_->policy, evidence.pcrs, parts->report);
  if (ready_->policy.boot.required) {
    JudgeBootLog(ready_->policy.boot, evidence.boot_log, evidence.pcrs, parts->report);
  }
  if (ready_->policy.ima.required) {
    parts->ima.emplace(ready_->policy.ima, ready_->files, ready_->keys, evidence.pcrs,
                       evidence.ima_first, same_boot ? &*previous : nullptr, parts->report);
    parts->ima->Add(evidence.ima_list, parts->report);
  }
  return Round(std::move(parts));
}

Judgement Verifier::Verify(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak,
                           const std::optional<NodeState>& previous,
                           std::optional<std::chrono::seconds> nonce_age) const {
  return Begin(evidence, nonce, ak, previous, nonce_age).Finish();
}

}  // namespace seaworthy::verify
