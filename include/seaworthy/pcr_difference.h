// libseaworthy-verify: why PCRs are not what they were, told event by event out of two boot logs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seaworthy/boot_log.h"
#include "seaworthy/verify.h"

namespace seaworthy::verify {

inline constexpr std::size_t kMaxDifferencesOfPcr = 16;

struct MeasuredBoot {
  const BootLog* log = nullptr;  // where there is one
  std::vector<PcrValue> pcrs;
};

// One thing that differs in one PCR. Codes are stable:
//   CHANGED     the event is there in both, with another digest
//   ADDED       the event is new
//   REMOVED     the event is no longer there
//   MOVED       the event comes at another place
//   MANY        so many events differ that they are not told one by one
//   NOT_IN_LOG  a log does not replay to the PCR: extended by what is not in the log, or edited
//   NO_LOG      without both logs no more can be said than that the PCR differs
struct PcrDifference {
  std::uint32_t pcr = 0;
  std::string code;
  std::optional<std::size_t> event_before;  // numbers in the logs
  std::optional<std::size_t> event_after;
  std::string type_name;  // "EV_SEPARATOR"; empty where it is about no one event
  std::string before;     // as the boot log's decoding says it, cut at 300 bytes
  std::string after;
  Bytes digest_before;
  Bytes digest_after;
  std::string sentence;  // for a person, one printable line
};

struct PcrDifferences {
  std::vector<std::uint32_t> pcrs;         // that differ, ascending
  std::vector<PcrDifference> differences;  // by PCR, kMaxDifferencesOfPcr each
  std::size_t left_out = 0;                // further ones
};

// Of the PCRs asked for, those of which either boot has no value differ too when the other has
// one. A sentence about an event is the logs' word; where no NOT_IN_LOG is about its PCR, the
// digests are proven by the PCR's values, and what a digest covers with them.
PcrDifferences ComparePcrs(const MeasuredBoot& before, const MeasuredBoot& after,
                           std::uint16_t bank, const std::vector<std::uint32_t>& pcrs);

// The sentences, and "and 12 more" where some are left out, `most` lines at most.
std::vector<std::string> Sentences(const PcrDifferences& differences, std::size_t most);

}  // namespace seaworthy::verify
