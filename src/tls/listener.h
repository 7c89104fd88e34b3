// The listening socket of the front.
#pragma once

#include <string>

#include "seaworthy/handle.h"
#include "tls/address.h"

namespace seaworthy::tls {

struct Listener {
  UniqueFd fd;  // non-blocking
  int port = 0;
};

Result<Listener> Listen(const std::string& address);

struct Accepted {
  UniqueFd fd;  // non-blocking; invalid when there is nothing to accept
  SocketAddress address;
  // The process has no descriptor or memory for it: it stays in the queue, wait before the
  // next try.
  bool exhausted = false;
};

Accepted Accept(int listener);

}  // namespace seaworthy::tls
