// A boot log with changes applied to it, as far as they can be told.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "seaworthy/pcr_prediction.h"
#include "verify/measured_event.h"

namespace seaworthy::verify {

// Of this bank alone. Every change is matched against the log as it was. `log` must live on.
class ChangedLog {
 public:
  ChangedLog(const BootLog& log, std::uint16_t bank);

  std::uint16_t bank() const { return bank_; }
  const std::vector<MeasuredEvent>& events() const { return events_; }

  // `index` is one of events().
  void Replace(std::size_t index, const Bytes& digest) { ReplaceByAll(index, {digest}); }
  void ReplaceByAll(std::size_t index, std::vector<Bytes> digests);

  // The first one for a PCR is kept.
  void CannotPredict(std::uint32_t pcr, const std::string& why) { obstacles_.emplace(pcr, why); }
  const std::map<std::uint32_t, std::string>& obstacles() const { return obstacles_; }

  // As ReplayBootLog takes it.
  BootLog Changed() const;

 private:
  const BootLog& log_;
  std::uint16_t bank_;
  std::vector<MeasuredEvent> events_;
  std::map<std::size_t, std::vector<Bytes>> replaced_;  // by event number
  std::map<std::uint32_t, std::string> obstacles_;      // by PCR
};

// Each: INVALID_ARGUMENT for a change that is none; what cannot be told is an obstacle in `log`.
Status Apply(const FileChange& change, ChangedLog& log);
Status Apply(const CommandLineChange& change, ChangedLog& log);
Status Apply(const VariableChange& change, ChangedLog& log);
Status Apply(const DigestChange& change, ChangedLog& log);

}  // namespace seaworthy::verify
