// What a TCP listener answers to real handshakes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "modules/docker/engine_process.h"
#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct TlsAnswer {
  // False: HTTP is answered as it is, without TLS. The rest is empty then.
  bool tls = false;
  std::vector<std::string> versions;  // that it accepts: "TLSv1.2"
  // Suites without authenticated encryption that it accepts up to TLS 1.2, as OpenSSL names them:
  // "ECDHE-RSA-AES128-SHA".
  std::vector<std::string> cbc_suites;
  bool asks_certificate = false;  // of the client
  // It ends the connection of a client without one, whatever the version.
  bool insists_on_certificate = false;
};

struct TlsProbe {
  Listener listener;
  Result<TlsAnswer> answer;
};

// `address` is one of this network namespace, "127.0.0.1" or "::". UNAVAILABLE
// (TLS_LISTENER_ABSENT) when nothing listens there, DEADLINE_EXCEEDED (TLS_LISTENER_TIMEOUT), and
// FAILED_PRECONDITION (TLS_LISTENER_FOREIGN) for what speaks neither TLS nor HTTP.
Result<TlsAnswer> ProbeTlsListener(Deadline deadline, const std::string& address,
                                   std::uint16_t port);

// Those of `listeners` that are TCP. One that does not answer takes no more than some seconds.
std::vector<TlsProbe> ProbeTlsListeners(Deadline deadline, const std::vector<Listener>& listeners);

}  // namespace seaworthy::docker
