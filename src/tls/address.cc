#include "tls/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdint>
#include <string_view>

namespace seaworthy::tls {
namespace {

Status Invalid(const std::string& text) {
  return Fail(Code::kInvalidArgument, "INVALID_LISTEN_ADDRESS",
              "\"" + text + "\" is no \"ADDRESS:PORT\" with an IPv4 address or an IPv6 one in []");
}

bool IsMappedV4(const SocketAddress& address) {
  return address.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr);
}

constexpr std::size_t kMappedPrefix = 12;

}  // namespace

Result<SocketAddress> ParseAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return Invalid(text);
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end) return Invalid(text);
  std::string host = text.substr(0, colon);
  SocketAddress address = {};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.c_str(), &address.v6.sin6_addr) == 1) return address;
  } else {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &address.v4.sin_addr) == 1) return address;
  }
  return Invalid(text);
}

std::string ToString(const SocketAddress& address) {
  char host[INET6_ADDRSTRLEN] = {};
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host));
    return std::string(host) + ":" + std::to_string(ntohs(address.v4.sin_port));
  }
  const std::string port = ":" + std::to_string(ntohs(address.v6.sin6_port));
  if (IsMappedV4(address)) {
    inet_ntop(AF_INET, &address.v6.sin6_addr.s6_addr[kMappedPrefix], host, sizeof(host));
    return host + port;
  }
  inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof(host));
  return "[" + std::string(host) + "]" + port;
}

std::string SourceOf(const SocketAddress& address) {
  if (address.any.sa_family == AF_INET) {
    return {reinterpret_cast<const char*>(&address.v4.sin_addr), sizeof(in_addr)};
  }
  const auto* const bytes = reinterpret_cast<const char*>(address.v6.sin6_addr.s6_addr);
  return IsMappedV4(address) ? std::string(bytes + kMappedPrefix, sizeof(in_addr))
                             : std::string(bytes, 8);
}

}  // namespace seaworthy::tls
