#include "verify/boot_judge.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "seaworthy/boot_log.h"
#include "verify/digest.h"
#include "verify/pcr_values.h"

namespace seaworthy::verify {
namespace {

// What the firmware measures: these come out of the log alone. Others are extended later, too.
constexpr std::uint32_t kFirmwarePcrs = 8;

// Which PCRs come out of the log as they are quoted. A firmware PCR that does not is a failure.
std::vector<bool> Compare(const BootLog& log, std::uint16_t bank, const std::vector<PcrValue>& pcrs,
                          Report& report) {
  const BootReplay replay = ReplayBootLog(log);
  std::vector<bool> proven(24);
  for (std::uint32_t index = 0; index < proven.size(); ++index) {
    const Bytes* quoted = FindPcr(pcrs, bank, index);
    const Bytes* replayed = FindPcr(replay.pcrs, bank, index);
    if (quoted == nullptr || replayed == nullptr) {
      if (index < kFirmwarePcrs) {
        report.Add({.code = "BOOT_PCR_NOT_QUOTED",
                    .sentence = "PCR " + std::to_string(index) + " of the bank " + HashName(bank) +
                                " is not quoted: the boot log is not proven without it.",
                    .pcr = index});
      }
      continue;
    }
    proven[index] = *quoted == *replayed;
    if (proven[index] || index >= kFirmwarePcrs) continue;
    report.Add({.code = "BOOT_LOG_MISMATCH",
                .expected = Hex(*quoted),
                .found = Hex(*replayed),
                .sentence = "The boot log does not replay to the quoted PCR " +
                            std::to_string(index) + ": events were removed, edited or reordered.",
                .pcr = index});
  }
  return proven;
}

void Require(bool wanted, const Statement& statement, const std::string& name, Report& report) {
  if (!wanted) return;
  if (statement.answer == Answer::kYes) {
    report.Passed(name, statement.sentence);
    return;
  }
  report.Failed(name + (statement.answer == Answer::kNo ? "_OFF" : "_NOT_PROVEN"),
                statement.sentence);
}

void JudgeImages(const BootPolicy& policy, const BootFacts& facts, Report& report) {
  if (policy.images.empty()) return;
  for (const LoadedImage& image : facts.images) {
    if (std::ranges::find(policy.images, image.digest) != policy.images.end()) continue;
    report.Add({.code = "BOOT_IMAGE_UNEXPECTED",
                .found = Hex(image.digest),
                .sentence = "Event " + std::to_string(image.event) +
                            ": an EFI program was loaded that the policy does not allow; the log "
                            "says it came from " +
                            image.device_path + ".",
                .pcr = image.pcr});
  }
}

void JudgeAuthorities(const BootPolicy& policy, const BootFacts& facts, Report& report) {
  if (policy.authorities.empty()) return;
  if (facts.all_authorities.answer != Answer::kYes) {
    report.Failed("BOOT_AUTHORITY_NOT_PROVEN", facts.all_authorities.sentence);
  } else if (facts.authorities.empty()) {
    report.Failed("BOOT_AUTHORITY_NOT_PROVEN",
                  "The boot log has no authority: nothing that was started was verified by one.");
  }
  for (const BootAuthority& authority : facts.authorities) {
    const Certificate& certificate = authority.certificate;
    // A bare hash has no certificate, and the policy none without a digest.
    if (std::ranges::find(policy.authorities, certificate.sha256) != policy.authorities.end()) {
      continue;
    }
    const bool bare = certificate.sha256.empty();
    report.Add({.code = "BOOT_AUTHORITY_UNEXPECTED",
                .found = "sha256:" + Hex(bare ? authority.sha256_hash : certificate.sha256),
                .sentence = "Event " + std::to_string(authority.event) +
                            ": something was verified by an entry of " + authority.variable +
                            " that the policy does not allow: " +
                            (bare ? "the hash of an image" : certificate.subject) + ".",
                .pcr = 7});
  }
}

void JudgeCommandLines(const BootPolicy& policy, const BootFacts& facts,
                       const std::vector<bool>& proven, Report& report) {
  if (policy.command_lines.empty()) return;
  bool measured = false;
  for (const BootCommandLine& line : facts.command_lines) {
    if (!proven[line.pcr]) continue;
    measured = true;
    if (std::ranges::any_of(policy.command_lines, [&](const std::string& allowed) {
          return IsCommandLine(line, facts.bank, allowed);
        })) {
      continue;
    }
    report.Add({.code = "BOOT_COMMAND_LINE_UNEXPECTED",
                .expected = policy.command_lines.front(),
                .found = line.text.value_or(Hex(line.digest)),
                .sentence = "Event " + std::to_string(line.event) +
                            ": the kernel's command line is not one that the policy allows.",
                .pcr = line.pcr});
  }
  if (measured) return;
  report.Failed("BOOT_COMMAND_LINE_NOT_PROVEN",
                "No command line is in the boot log that the quote vouches for.");
}

}  // namespace

std::optional<std::uint16_t> CommonBank(const BootLog& log, const std::vector<PcrValue>& pcrs) {
  for (const std::uint16_t bank :
       {TPM2_ALG_SHA512, TPM2_ALG_SHA384, TPM2_ALG_SHA256, TPM2_ALG_SHA1}) {
    const bool quoted = std::ranges::find(pcrs, bank, &PcrValue::bank) != pcrs.end();
    const bool logged = std::ranges::any_of(
        log.banks, [bank](const auto& logged_bank) { return logged_bank.bank == bank; });
    if (quoted && logged) return bank;
  }
  return std::nullopt;
}

void JudgeBootLog(const BootPolicy& policy, ByteView file, const std::vector<PcrValue>& pcrs,
                  Report& report) {
  if (file.empty()) {
    report.Failed("BOOT_LOG_MISSING", "The policy asks for the boot log, and none came.");
    return;
  }
  const Result<BootLog> log = ParseBootLog(file);
  if (!log.ok()) {
    report.Failed("BOOT_LOG_MALFORMED", "The boot log: " + Message(log.status()) + ".");
    return;
  }
  const std::optional<std::uint16_t> bank = CommonBank(*log, pcrs);
  if (!bank) {
    report.Failed("BOOT_PCR_NOT_QUOTED", "No bank of the boot log is quoted.");
    return;
  }
  if (*bank == TPM2_ALG_SHA1) {
    report.Failed("BOOT_WEAK_HASH",
                  "The boot log is proven in the bank SHA-1 only, whose digests can be forged.");
  }
  const std::vector<bool> proven = Compare(*log, *bank, pcrs, report);
  if (!std::all_of(proven.begin(), proven.begin() + kFirmwarePcrs, [](bool one) { return one; })) {
    return;  // nothing in the log is worth looking at
  }
  report.Passed("BOOT_LOG_MATCHES", "The boot log is what was measured: " +
                                        std::to_string(log->events.size()) + " events.");
  const BootFacts facts = AnalyseBootLog(*log, *bank);
  Require(policy.secure_boot, facts.secure_boot, "SECURE_BOOT", report);
  Require(policy.verified_boot, facts.verified_boot, "VERIFIED_BOOT", report);
  JudgeImages(policy, facts, report);
  JudgeAuthorities(policy, facts, report);
  JudgeCommandLines(policy, facts, proven, report);
}

}  // namespace seaworthy::verify
