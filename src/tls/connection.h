// One accepted connection of the front.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/tls/openssl.h"
#include "tls/relay.h"

namespace seaworthy::tls {

// Owned by the front's loop. While kStepping a thread of the handshake pool has the SSL to
// itself and the loop leaves it alone.
struct Connection {
  enum class Phase {
    kSilent,     // no byte came yet: no SSL, no token
    kHandshake,  // waits for the client
    kStepping,   // a step of the handshake is on the pool
    kRelay,      // established
    kLinger,     // over; waits a moment for the client to read the last bytes
  };

  std::uint64_t id = 0;
  Phase phase = Phase::kSilent;
  std::string address;
  std::string source;
  Deadline handshake_deadline;
  // When the loop has to look at it even if nothing happens.
  std::optional<Deadline> deadline;
  // In this order: the SSL goes before the descriptors it uses.
  UniqueFd client;
  UniqueFd local;
  SslPtr ssl;
  std::optional<Relay> relay;
  // What epoll watches now; 0 is not registered, for epoll always reports a hang-up.
  std::uint32_t client_watched = 0;
  std::uint32_t local_watched = 0;
};

}  // namespace seaworthy::tls
