// The privileged side: what seaworthy-mapper does.
#pragma once

#include <chrono>

#include "seaworthy/status.h"

namespace seaworthy::volumes {

// Reads one request from the socket, does it and answers; waits no longer than `patience` for the
// request, nor for the answer to be taken. It takes nobody's word: the header is judged again, in a
// copy of its own; the device is a block device that nobody uses; the volume key is the one that
// the header has a digest of. Returns what it answered, or why it could not.
Status ServeMapperRequest(int socket, std::chrono::milliseconds patience);

}  // namespace seaworthy::volumes
