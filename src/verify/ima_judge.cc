#include "verify/ima_judge.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "seaworthy/plain_text.h"
#include "verify/digest.h"
#include "verify/short_digest.h"

namespace seaworthy::verify {
namespace {

// A node on which everything is wrong is not worse than one on which this much is.
constexpr std::uint64_t kMaxFindings = 1000;

std::string Text(const ImaFields& fields) {
  return std::string(fields.hash) + ":" + Hex(fields.digest);
}

}  // namespace

ImaJudge::ImaJudge(const ImaPolicy& policy, const ImaFileTable& files, const ImaKeys& keys,
                   const std::vector<PcrValue>& pcrs, std::uint64_t first,
                   const NodeState* previous, Report& report)
    : policy_(policy), files_(files), keys_(keys), reader_(first), entries_(first) {
  for (const PcrValue& pcr : pcrs) pcrs_[{pcr.bank, pcr.index}] = pcr.digest;
  broken_ = !StartReplays(previous, report);
  CompareWithQuote();
}

bool ImaJudge::StartReplays(const NodeState* previous, Report& report) {
  const std::uint64_t expected = previous == nullptr ? 0 : previous->ima_entries;
  const bool from_start = entries_ == 0;
  if (!from_start && entries_ != expected) {
    report.Add({.code = "IMA_LIST_GAP",
                .expected = std::to_string(expected),
                .found = std::to_string(entries_),
                .sentence = "The IMA list begins with another entry than the one to go on with.",
                .pcr = kImaPcr});
    return false;
  }
  for (const auto& [id, digest] : pcrs_) {
    if (id.second != kImaPcr) continue;
    Result<ImaReplay> replay = ImaReplay::Start(id.first);
    if (!from_start) {
      const auto known = std::ranges::find(previous->ima_pcrs, id.first, &NodeState::Pcr::bank);
      if (known == previous->ima_pcrs.end()) {
        report.Add({.code = "IMA_LIST_GAP",
                    .expected = "0",
                    .found = std::to_string(entries_),
                    .sentence = "The last round did not look at the bank " + HashName(id.first) +
                                ": the IMA list has to begin with its first entry.",
                    .pcr = kImaPcr});
        return false;
      }
      replay = ImaReplay::Resume(id.first, known->form, known->value);
    }
    if (replay.ok()) banks_.push_back({*std::move(replay), digest});
  }
  if (!banks_.empty()) return true;
  report.Add({.code = "IMA_PCR_NOT_QUOTED",
              .sentence = "PCR 10 is not quoted, so nothing vouches for the IMA list.",
              .pcr = kImaPcr});
  return false;
}

void ImaJudge::CompareWithQuote() {
  const auto same = [](const Bank& bank) { return bank.replay.Find(bank.quoted).has_value(); };
  at_quote_ = !banks_.empty() && std::ranges::all_of(banks_, same);
}

void ImaJudge::Add(ByteView chunk, Report& report) {
  if (broken_) return;
  reader_.Add(chunk);
  while (true) {
    const Result<std::optional<ImaEntry>> entry = reader_.Next();
    if (!entry.ok()) {
      report.Failed(Reason(entry.status()), "The IMA list: " + Message(entry.status()) + ".");
      broken_ = true;
      return;
    }
    if (!entry->has_value()) return;
    Entry(**entry, report);
  }
}

void ImaJudge::Entry(const ImaEntry& entry, Report& report) {
  if (at_quote_) {
    ++beyond_;
    return;
  }
  entries_ = entry.number + 1;
  const Result<ImaFields> fields = ParseImaFields(entry);
  const std::string_view path = fields.ok() ? fields->path : std::string_view();
  const ImaFileTable::Place place = files_.Seek(path);
  const auto sha1 = ImaTemplateSha1(entry);
  files_.Fetch(place);
  if (!entry.IsViolation() && !std::ranges::equal(sha1, entry.template_digest)) {
    Find({.code = "IMA_ENTRY_EDITED",
          .expected = Hex(sha1),
          .found = Hex(entry.template_digest),
          .sentence = "The digest of an entry of the IMA list is not one over what it says."},
         entry, path, report);
  }
  if (entry.pcr != kImaPcr) {
    Find({.code = "IMA_OTHER_PCR",
          .sentence = "An entry of the IMA list went into PCR " + std::to_string(entry.pcr) +
                      ", of which nothing vouches for it."},
         entry, path, report);
    return;
  }
  for (Bank& bank : banks_) bank.replay.Extend(entry, sha1);
  CompareWithQuote();
  if (!fields.ok()) {
    Find({.code = Reason(fields.status()), .sentence = Message(fields.status()) + "."}, entry, path,
         report);
    return;
  }
  JudgeEntry(entry, *fields, place, report);
}

void ImaJudge::JudgeEntry(const ImaEntry& entry, const ImaFields& fields, ImaFileTable::Place place,
                          Report& report) {
  ++judged_;
  if (entry.IsViolation()) {
    if (policy_.violations == Judge::kIgnore || IsExcluded(policy_, fields.path)) return;
    Find({.code = "IMA_VIOLATION",
          .severity = SeverityOf(policy_.violations),
          .sentence = "What was read of this file is not known: it was open for writing while it "
                      "was measured, or opened for writing while it was read."},
         entry, fields.path, report);
    return;
  }
  if (fields.path == kBootAggregate) return JudgeBootAggregate(entry, fields, report);
  if (entry.number == 0) {
    Find({.code = "BOOT_AGGREGATE_MISSING",
          .sentence =
              "The IMA list does not begin with the boot aggregate, as every kernel's does."},
         entry, fields.path, report);
  }
  std::optional<Finding> finding = JudgeFile({policy_, files_, keys_}, fields, place);
  if (finding) Find(*std::move(finding), entry, fields.path, report);
}

// The digest over PCRs 0 to 7, and since Linux 5.8 over 8 and 9 too, but in the bank SHA-1
// (ima_calc_boot_aggregate_tfm). After a boot they stay, so the quoted values are those.
void ImaJudge::JudgeBootAggregate(const ImaEntry& entry, const ImaFields& fields, Report& report) {
  const std::optional<std::uint16_t> bank = HashByName(fields.hash);
  // Before Linux 5.8 it was always SHA-1; since then the bank SHA-256 has digests of its own.
  for (Bank& one : banks_) {
    if (one.replay.bank() == TPM2_ALG_SHA256 && bank == TPM2_ALG_SHA256) {
      one.replay.Settle(ImaReplay::Form::kNative);
    }
  }
  Bytes all;
  std::vector<std::string> expected;
  for (std::uint32_t index = 0; bank && index <= 9; ++index) {
    const auto pcr = pcrs_.find({*bank, index});
    if (pcr == pcrs_.end()) break;
    all.insert(all.end(), pcr->second.begin(), pcr->second.end());
    if (index != 7 && index != 9) continue;
    std::array<std::uint8_t, 64> digest;
    ShortDigest(*bank, {all}, digest.data());
    const ByteView made(digest.data(), DigestSize(*bank));
    if (std::ranges::equal(made, fields.digest)) return;
    expected.push_back(Hex(made));
  }
  if (expected.empty()) {
    Find({.code = "BOOT_AGGREGATE_UNCHECKED",
          .severity = Severity::kWarning,
          .found = Text(fields),
          .sentence = "Not all of PCRs 0 to 7 are quoted in the bank of the boot aggregate: it is "
                      "not known whether the IMA list belongs to this boot chain."},
         entry, fields.path, report);
    return;
  }
  Find({.code = "BOOT_AGGREGATE_MISMATCH",
        .expected = expected.back(),
        .found = Hex(fields.digest),
        .sentence = "The IMA list began over another boot chain than the one that is quoted."},
       entry, fields.path, report);
}

void ImaJudge::Find(Finding finding, const ImaEntry& entry, std::string_view path, Report& report) {
  if (told_ >= kMaxFindings) {
    ++untold_;
    worst_untold_ = std::max(worst_untold_, finding.severity);
    return;
  }
  ++told_;
  finding.pcr = entry.pcr;
  finding.entry = entry.number;
  finding.file = ToPlainText(path);
  if (!finding.file.empty()) finding.sentence = finding.file + ": " + finding.sentence;
  report.Add(std::move(finding));
}

std::vector<NodeState::Pcr> ImaJudge::pcr_values() const {
  std::vector<NodeState::Pcr> values;
  for (const auto& [replay, quoted] : banks_) {
    if (const auto form = replay.Find(quoted)) values.push_back({replay.bank(), *form, quoted});
  }
  return values;
}

void ImaJudge::Finish(Report& report) {
  if (broken_) return;
  if (untold_ > 0) {
    report.Add({.code = "IMA_MORE_FINDINGS",
                .severity = worst_untold_,
                .sentence = "The IMA list has " + std::to_string(untold_) +
                            " more entries of which there would be such to say."});
  }
  if (!at_quote_ && entries_ == 0 && reader_.rest() == 0) {
    report.Add({.code = "IMA_LIST_MISSING",
                .sentence = "The quoted PCR 10 says that something was measured, and no IMA list "
                            "came that tells what.",
                .pcr = kImaPcr});
    return;
  }
  if (!at_quote_) {
    const Bank& bank = banks_.front();
    report.Add({.code = "IMA_LIST_MISMATCH",
                .expected = Hex(bank.quoted),
                .found = Hex(bank.replay.Value(ImaReplay::Form::kNative)),
                .sentence = "The IMA list is not what was measured: no beginning of it replays to "
                            "the quoted PCR 10. It was cut, edited or reordered.",
                .pcr = kImaPcr});
    return;
  }
  if (entries_ == 0) {
    report.Add({.code = "IMA_NOTHING_MEASURED",
                .sentence = "The kernel has measured nothing at all: the node runs without IMA.",
                .pcr = kImaPcr});
    return;
  }
  if (beyond_ > 0 || reader_.rest() > 0) {
    report.Add({.code = "IMA_LIST_BEYOND_QUOTE",
                .found = std::to_string(beyond_),
                .sentence = "The IMA list goes on behind what is quoted; nothing vouches for that.",
                .pcr = kImaPcr});
    return;
  }
  const auto& [replay, quoted] = banks_.front();
  const bool weak =
      replay.bank() == TPM2_ALG_SHA1 || replay.Find(quoted) == ImaReplay::Form::kPaddedSha1;
  if (weak && banks_.size() == 1) {
    report.Add({.code = "IMA_WEAK_HASH",
                .found = HashName(replay.bank()),
                .sentence = "The kernel extends PCR 10 of this bank with SHA-1 digests only, which "
                            "can be forged. Quote another bank.",
                .pcr = kImaPcr});
    return;
  }
  report.Passed("IMA_LIST_MATCHES",
                "The IMA list is what the kernel measured: " + std::to_string(judged_) +
                    " entries were judged, up to " + std::to_string(entries_) + ".");
}

}  // namespace seaworthy::verify
