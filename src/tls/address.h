// Socket addresses: parsed, printed, and as the source that limits count by.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "seaworthy/status.h"

namespace seaworthy::tls {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;

  socklen_t size() const { return any.sa_family == AF_INET6 ? sizeof(v6) : sizeof(v4); }
};

// "192.0.2.1:8443", "[::]:8443". INVALID_ARGUMENT (INVALID_LISTEN_ADDRESS).
Result<SocketAddress> ParseAddress(const std::string& text);

// In the same form; an IPv4 address mapped into IPv6 is written as IPv4.
std::string ToString(const SocketAddress& address);

// The bytes by which clients are told apart: the IPv4 address; the first 64 bits of an IPv6
// address, since whoever has one has all of that network.
std::string SourceOf(const SocketAddress& address);

}  // namespace seaworthy::tls
