// The end of a volume.
#pragma once

#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/tpm/broker.h"

namespace seaworthy::volumes {

// Overwrites keyslots, tokens and header, so that nothing but a backup opens the volume again, and
// deletes the counter in the TPM that its record names. Destroying needs no trust: a header that is
// tampered with or damaged is overwritten as well. Of one that cannot be parsed, this takes the
// largest extent that a header of LUKS2 has, 136 MiB, data among it.
//
// Broken off at any moment, keyslots are gone before what tells that a volume was here: call it
// again until it says NOT_LUKS. NOT_FOUND (NOT_LUKS); FAILED_PRECONDITION (DEVICE_IN_USE). When
// only the counter could not be deleted the error is the TPM's, and its message says that the
// volume is erased. `root` as for Probe.
Status EraseVolume(tpm::Broker& broker, Deadline deadline, const std::string& device,
                   const std::string& root = "/");

}  // namespace seaworthy::volumes
