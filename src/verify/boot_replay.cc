#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <array>

#include "seaworthy/boot_log.h"
#include "verify/boot_event_types.h"
#include "verify/digest.h"

namespace seaworthy::verify {
namespace {

// TCG PC Client Platform TPM Profile, PCR attributes: reset by a dynamic launch.
constexpr bool IsDynamicLaunchPcr(std::uint32_t pcr) { return pcr >= 17 && pcr <= 22; }

constexpr std::uint8_t kHcrtmLocality = 4;

// What the PCRs hold before the first event, as far as it is not zero.
struct Start {
  std::uint8_t locality = 0;  // the last byte of PCR 0 (TPM 2.0 part 3, TPM2_Startup)
  bool dynamic_launch = false;
};

Start StartOf(const BootLog& log) {
  Start start;
  const bool hcrtm = std::ranges::any_of(log.events, [](const BootEvent& event) {
    return event.type == kEvEfiHcrtmEvent && event.pcr == 0;
  });
  start.locality = log.startup_locality.value_or(hcrtm ? kHcrtmLocality : 0);
  start.dynamic_launch = std::ranges::any_of(log.events, [](const BootEvent& event) {
    return event.type != kEvNoAction && IsDynamicLaunchPcr(event.pcr);
  });
  return start;
}

using Bank = std::array<ReplayedPcr, kPcrCount>;

Bank StartBank(std::uint16_t bank, std::size_t size, const Start& start) {
  Bank pcrs;
  for (std::uint32_t index = 0; index < kPcrCount; ++index) {
    const bool ones = IsDynamicLaunchPcr(index) && !start.dynamic_launch;
    pcrs[index] = {.bank = bank,
                   .index = index,
                   .events = 0,
                   .digest = Bytes(size, static_cast<std::uint8_t>(ones ? 0xff : 0))};
  }
  pcrs[0].digest.back() = start.locality;
  return pcrs;
}

// TPM2_PCR_Extend: new value = hash(old value || digest).
bool Extend(ReplayedPcr& pcr, const BootEvent& event, const EVP_MD* hash) {
  const auto found = event.digests.find(pcr.bank);
  if (found == event.digests.end() || found->second.size() != pcr.digest.size()) return false;
  Bytes both = pcr.digest;
  both.insert(both.end(), found->second.begin(), found->second.end());
  ++pcr.events;
  return EVP_Digest(both.data(), both.size(), pcr.digest.data(), nullptr, hash, nullptr) == 1;
}

bool ReplayBank(const BootLog& log, Bank& pcrs, const EVP_MD* hash) {
  return std::ranges::all_of(log.events, [&](const BootEvent& event) {
    return event.type == kEvNoAction ||
           (event.pcr < kPcrCount && Extend(pcrs[event.pcr], event, hash));
  });
}

}  // namespace

BootReplay ReplayBootLog(const BootLog& log) {
  const Start start = StartOf(log);
  BootReplay replay;
  for (const BootBank& bank : log.banks) {
    const EVP_MD* hash = PcrBankHash(bank.bank);
    if (hash == nullptr || bank.digest_size != DigestSize(bank.bank)) {
      const std::string name = bank.bank == TPM2_ALG_SM3_256 ? "sm3_256" : HashName(bank.bank);
      replay.notes.push_back("The bank " + name +
                             " was not replayed: its hash cannot be computed here.");
      continue;
    }
    Bank pcrs = StartBank(bank.bank, bank.digest_size, start);
    if (!ReplayBank(log, pcrs, hash)) {
      replay.notes.push_back("The bank " + HashName(bank.bank) +
                             " was not replayed: an event has no digest for it.");
      continue;
    }
    replay.pcrs.insert(replay.pcrs.end(), pcrs.begin(), pcrs.end());
  }
  return replay;
}

}  // namespace seaworthy::verify
