// Counters of the TPM that may be no volume's: noted before the TPM has one, or before the record
// that names one is overwritten, so that a crash leaves none behind for good. Kept in the file
// "counters" of the volumes' folder. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/directory.h"

namespace seaworthy::volumes {

struct CounterNote {
  std::string volume;
  std::string device;  // whose header names it, or was to
  std::uint32_t nv_index = 0;
};

// INVALID_ARGUMENT (COUNTER_NOTES_DAMAGED), naming the field.
Result<std::vector<CounterNote>> ParseCounterNotes(std::string_view json);
std::string ToJson(const std::vector<CounterNote>& notes);

// Whether the header on the device names the counter. One that nobody can read names none;
// NOT_FOUND and UNAVAILABLE where there is no device to be read.
Result<bool> NamesCounter(const std::string& device, std::uint32_t nv_index);
// That the header on the device names; 0 for none.
std::uint32_t NamedCounter(const std::string& device);

class CounterNotes {
 public:
  // In place of other notes about that counter: it is this device's, or nobody's.
  Status Add(const Directory& folder, const CounterNote& note);
  Status Remove(const Directory& folder, std::uint32_t nv_index);
  // FAILED_PRECONDITION (COUNTER_NOTES_DAMAGED).
  Result<std::vector<CounterNote>> Read(const Directory& folder) const;

 private:
  mutable std::mutex mutex_;
};

}  // namespace seaworthy::volumes
