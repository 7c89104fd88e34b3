// The kernel's IMA list, followed against PCR 10 as it grows.
#pragma once

#include <functional>

#include "seaworthy/ima_list_file.h"

namespace seaworthy::integrity {

// Costs what is new, in time and in memory. Not thread-safe.
class ImaCollector {
 public:
  using Visit = std::function<void(const verify::ImaEntry&)>;

  // Of this bank's PCR 10, a TPM_ALG_ID. Errors as of verify::ImaListFile.
  static Result<ImaCollector> Open(const std::string& path, std::uint16_t bank);

  // Reads on to the list's end and shows each entry. `pcr10` is what the PCR was before the call,
  // or empty when that is not known; whether it is what the list makes it. The kernel puts an entry
  // into its list first and then extends the PCR, one at a time, so the list may be one entry
  // ahead. After DEADLINE_EXCEEDED another call goes on, with a PCR read again.
  Result<bool> ReadOn(ByteView pcr10, Deadline deadline, const Visit& visit);

  std::uint64_t entries() const { return entries_; }
  // Of those, the ones that PCR 10 has vouched for.
  std::uint64_t confirmed() const { return confirmed_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  ImaCollector(verify::ImaListFile list, const verify::ImaReplay& replay)
      : list_(std::move(list)), replay_(replay), before_last_(replay) {}
  bool Compare(ByteView pcr10);

  verify::ImaListFile list_;
  verify::ImaReplay replay_;
  verify::ImaReplay before_last_;  // without the last entry
  std::uint64_t entries_ = 0;
  std::uint64_t confirmed_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace seaworthy::integrity
