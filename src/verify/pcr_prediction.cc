#include "seaworthy/pcr_prediction.h"

#include <algorithm>
#include <set>
#include <utility>

#include "verify/boot_changes.h"
#include "verify/digest.h"
#include "verify/pcr_values.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kPhasePcr = 11;

// systemd-pcrphase(8), in the order in which they come; each at most once, some not at all.
constexpr std::string_view kPhases[] = {"enter-initrd", "leave-initrd", "sysinit",
                                        "ready",        "shutdown",     "final"};

Status CannotPredict(std::uint32_t pcr, const std::string& why) {
  return Fail(Code::kFailedPrecondition, "CANNOT_PREDICT",
              "PCR " + std::to_string(pcr) + " cannot be predicted: " + why);
}

Status BadSelection(const std::string& what) {
  return Fail(Code::kInvalidArgument, "BAD_SELECTION", what);
}

// TPM2_PCR_Extend.
Bytes Extend(std::uint16_t bank, Bytes value, std::string_view phase) {
  const Bytes digest = BankDigest(bank, AsBytes(phase));
  value.insert(value.end(), digest.begin(), digest.end());
  return BankDigest(bank, value);
}

bool IsAfterPhases(std::uint16_t bank, const Bytes& start, const Bytes& present) {
  for (unsigned int subset = 0; subset < 1U << std::size(kPhases); ++subset) {
    Bytes value = start;
    for (std::size_t i = 0; i < std::size(kPhases); ++i) {
      if ((subset >> i & 1) != 0) value = Extend(bank, std::move(value), kPhases[i]);
    }
    if (value == present) return true;
  }
  return false;
}

// What the present log must show before it can say anything of the next boot.
Status CheckPresent(const PcrForecast& forecast) {
  const BootReplay replay = ReplayBootLog(forecast.log);
  std::set<std::uint32_t> seen;
  for (const std::uint32_t pcr : forecast.pcrs) {
    const Bytes* present = FindPcr(forecast.present, forecast.bank, pcr);
    if (pcr >= kPcrCount || present == nullptr || !seen.insert(pcr).second) {
      return BadSelection("PCR " + std::to_string(pcr) + " of the bank " + HashName(forecast.bank) +
                          " has no present value or is asked for twice");
    }
    const Bytes* replayed = FindPcr(replay.pcrs, forecast.bank, pcr);
    if (replayed == nullptr) {
      return CannotPredict(
          pcr, "the boot log cannot be replayed in the bank " + HashName(forecast.bank));
    }
    if (*replayed == *present) continue;
    if (pcr == kPhasePcr && IsAfterPhases(forecast.bank, *replayed, *present)) continue;
    return CannotPredict(pcr,
                         "the boot log does not replay to its present value: something that is "
                         "not in the log was extended, or the log was edited");
  }
  return {};
}

}  // namespace

Result<std::vector<PcrValue>> PredictPcrs(const PcrForecast& forecast,
                                          const std::vector<BootChange>& changes) {
  if (PcrBankHash(forecast.bank) == nullptr) {
    return BadSelection("the bank " + HashName(forecast.bank) + " cannot be computed here");
  }
  if (Status status = CheckPresent(forecast); !status.ok()) return status;
  ChangedLog changed(forecast.log, forecast.bank);
  for (const BootChange& change : changes) {
    Status status = std::visit([&](const auto& one) { return Apply(one, changed); }, change);
    if (!status.ok()) return status;
  }
  const BootReplay replay = ReplayBootLog(changed.Changed());
  std::vector<PcrValue> predicted;
  for (const std::uint32_t pcr : forecast.pcrs) {
    if (const auto why = changed.obstacles().find(pcr); why != changed.obstacles().end()) {
      return CannotPredict(pcr, why->second);
    }
    const Bytes* value = FindPcr(replay.pcrs, forecast.bank, pcr);
    if (value == nullptr) return CannotPredict(pcr, "the changed log cannot be replayed");
    PcrValue& next = predicted.emplace_back();
    next = {forecast.bank, pcr, *value};
    if (pcr != kPhasePcr) continue;
    for (const std::string& phase : forecast.phases) {
      next.digest = Extend(forecast.bank, std::move(next.digest), phase);
    }
  }
  return predicted;
}

}  // namespace seaworthy::verify
