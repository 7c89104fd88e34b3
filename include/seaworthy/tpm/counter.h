// Counters in the TPM that only go up: what says how old a state is cannot be set back with it.
// All need a turn (broker.h).
#pragma once

#include "seaworthy/tpm/broker.h"
#include "seaworthy/tpm/salted_session.h"

namespace seaworthy::tpm {

// At the first free NV index from 0x01815700 to 0x018157ff, which is in the owner's range; counted
// once. Anybody who may use the TPM may read it and count it up. A new counter begins above what
// any counter of this TPM had before (TPM 2.0 part 1, 37.2.4), so that deleting and defining again
// is no way back. The index. RESOURCE_EXHAUSTED: NO_FREE_INDEX, TPM_NV_SPACE; PERMISSION_DENIED
// (OWNER_AUTH_SET).
Result<std::uint32_t> DefineCounter(Context& context);

// In sessions: nobody on the bus can answer with what was true once. NOT_FOUND
// (COUNTER_UNDEFINED); FAILED_PRECONDITION (COUNTER_REPLACED) when the index is no counter as
// DefineCounter makes them, which all have one name (TPM 2.0 part 1, 16) at one index.
Result<std::uint64_t> ReadCounter(SaltedSession& session, std::uint32_t index,
                                  Afterwards afterwards = Afterwards::kEnd);
// The value after.
Result<std::uint64_t> IncrementCounter(Context& context, std::uint32_t index);
Status DeleteCounter(Context& context, std::uint32_t index);

}  // namespace seaworthy::tpm
