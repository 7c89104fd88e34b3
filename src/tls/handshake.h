// One step of a server's handshake, as far as the bytes at hand go.
#pragma once

#include <string>

#include "seaworthy/tls/openssl.h"

namespace seaworthy::tls {

struct HandshakeStep {
  enum class Outcome { kWantsRead, kWantsWrite, kDone, kRefused };
  Outcome outcome = Outcome::kWantsRead;
  // When refused: a reason of Front::Options::refused and a sentence.
  std::string reason;
  std::string message;
};

// May sign, and so take as long as the key does; never waits for the network. A refused client
// has been sent the alert.
HandshakeStep StepHandshake(SSL* ssl);

}  // namespace seaworthy::tls
