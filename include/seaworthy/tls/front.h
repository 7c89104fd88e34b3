// A TLS front door: terminates mutual TLS with a key that may live in the TPM, and passes the
// plain bytes of each authenticated connection to a file descriptor that the owner supplies.
// Done here and not in gRPC because a handshake costs a TPM signature that a stranger can ask
// for: handshakes run on a pool of their own, are bounded per source and in all, each with a
// deadline, so that whoever floods the listener cannot take the TPM from local callers. Known
// clients resume their sessions without a signature.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "seaworthy/handle.h"
#include "seaworthy/status.h"
#include "seaworthy/tls/openssl.h"

namespace seaworthy::tls {

// A client whose certificate chains to a client CA.
struct ClientIdentity {
  // "DNS:...", "URI:...", "IP:...", "email:..." in the certificate's order.
  std::vector<std::string> alternative_names;
  std::string subject;  // RFC 4514
  std::string address;  // "192.0.2.7:41022"
};

class Front {
 public:
  struct Limits {
    std::size_t connections = 256;
    std::size_t connections_per_source = 64;
    // Handshakes begun per second: a token bucket with a burst of twice the rate. A source is
    // an IPv4 address or a /64 of IPv6.
    double handshakes_per_second = 50;
    double handshakes_per_second_per_source = 10;
    std::chrono::milliseconds handshake_timeout{10'000};
    // Handshakes under way at once; each may hold the TPM for one signature.
    std::size_t handshake_threads = 2;
    bool operator==(const Limits&) const = default;
  };

  struct Credentials {
    std::string certificate_chain_pem;
    EvpPkeyPtr key;
    // CA certificates that clients must chain to, PEM.
    std::string client_ca_pem;
    int min_version = TLS1_3_VERSION;
  };

  struct Options {
    std::string listen;  // "192.0.2.1:8443", "[::]:8443"; port 0 takes a free one
    Limits limits;
    // Called for each authenticated connection, on a handshake thread: gives the stream socket
    // that carries its plain bytes. An error refuses the connection.
    std::function<Result<UniqueFd>(const ClientIdentity&)> connect;
    // Called, on a handshake thread, for each refused connection or failed handshake, for the
    // audit: the peer's address, a stable reason (NO_CLIENT_CERTIFICATE, UNKNOWN_CA,
    // CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, PROTOCOL_VERSION, HANDSHAKE_RATE,
    // TOO_MANY_CONNECTIONS, HANDSHAKE_TIMEOUT, HANDSHAKE_FAILED, or that of `connect`'s error)
    // and a sentence. Calls for rate and connection limits are themselves limited to one a
    // second for each reason. May be empty.
    std::function<void(const std::string& address, const std::string& reason,
                       const std::string& message)>
        refused;
  };

  static Result<std::unique_ptr<Front>> Start(Options options, Credentials credentials);
  ~Front();

  // The port in use.
  int port() const;

  // For new connections from now on; sessions made before can't be resumed.
  Status Reload(Credentials credentials);

  // Accepts no more; established connections go on.
  void StopAccepting();

 private:
  class State;
  explicit Front(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::tls
