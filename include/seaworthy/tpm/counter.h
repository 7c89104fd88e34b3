// Counters in the TPM that only go up: what says how old a state is cannot be set back with it.
// All need a turn (broker.h).
#pragma once

#include <functional>

#include "seaworthy/tpm/broker.h"
#include "seaworthy/tpm/salted_session.h"

namespace seaworthy::tpm {

// The TCG's registry of handles leaves 0x01800000 to 0x01bfffff to the owner. A stretch of it that
// is easily told from what others take.
inline constexpr std::uint32_t kFirstCounter = 0x01815700;
inline constexpr std::uint32_t kLastCounter = 0x018157ff;

// Whether a counter of ours may be there: what is said of another index is none of ours.
inline bool IsCounterIndex(std::uint32_t index) {
  return index >= kFirstCounter && index <= kLastCounter;
}

// At the first free NV index from kFirstCounter to kLastCounter; counted once. Anybody who may use
// the TPM may read it and count it up. A new counter begins above what any counter of this TPM had
// before (TPM 2.0 part 1, 37.2.4), so that deleting and defining again is no way back. `before` is
// told the index before the TPM has it; its error ends it. The index. RESOURCE_EXHAUSTED:
// NO_FREE_INDEX, TPM_NV_SPACE; PERMISSION_DENIED (OWNER_AUTH_SET).
using BeforeCounter = std::function<Status(std::uint32_t index)>;
Result<std::uint32_t> DefineCounter(Context& context, const BeforeCounter& before = nullptr);

// In sessions: nobody on the bus can answer with what was true once. NOT_FOUND
// (COUNTER_UNDEFINED); FAILED_PRECONDITION (COUNTER_REPLACED) when the index is no counter as
// DefineCounter makes them, which all have one name (TPM 2.0 part 1, 16) at one index.
Result<std::uint64_t> ReadCounter(SaltedSession& session, std::uint32_t index,
                                  Afterwards afterwards = Afterwards::kEnd);
// The value after.
Result<std::uint64_t> IncrementCounter(Context& context, std::uint32_t index);
// Also one that a crash left before it was counted.
Status DeleteCounter(Context& context, std::uint32_t index);

}  // namespace seaworthy::tpm
