// Packets between the daemon and seaworthy-mapper, each within a deadline.
#pragma once

#include <string>

#include "seaworthy/bytes.h"
#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/secret_bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::volumes {

struct Packet {
  SecretBytes bytes;
  UniqueFd fd;  // none, when none came with it
};

// UNAVAILABLE (MAPPER_MISSING); DEADLINE_EXCEEDED (MAPPER_TIMEOUT), as the others.
Result<UniqueFd> ConnectToMapper(const std::string& path, Deadline deadline);

// UNAVAILABLE (MAPPER_GONE) when the other side is gone.
Status SendPacket(int socket, Deadline deadline, ByteView bytes, int fd = -1);

// INVALID_ARGUMENT (MAPPER_PACKET_REFUSED) for one that is longer than kMaxMapperPacket or brings
// more than one descriptor.
Result<Packet> ReceivePacket(int socket, Deadline deadline);

}  // namespace seaworthy::volumes
