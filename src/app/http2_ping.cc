#include "http2_ping.h"

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

namespace seaworthy::app {
namespace {

constexpr std::size_t kFrameHeader = 9;
constexpr char kPing = 6;
constexpr char kAck = 1;

std::string Hello() {
  using std::literals::operator""sv;
  return std::string(
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
      "\0\0\0\x04\0\0\0\0\0"
      "\0\0\x08\x06\0\0\0\0\0seaworth"sv);
}

// Whether the whole frames in `received` hold the acknowledgement.
bool HoldsPingAck(std::string_view received) {
  while (received.size() >= kFrameHeader) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(received[i]));
    };
    if (received[3] == kPing && (received[4] & kAck) != 0) return true;
    const std::size_t frame = kFrameHeader + (byte(0) << 16 | byte(1) << 8 | byte(2));
    if (received.size() < frame) return false;
    received.remove_prefix(frame);
  }
  return false;
}

}  // namespace

bool AnswersHttp2Ping(int socket, Deadline deadline) {
  constexpr std::size_t kMaxReceived = 4096;
  const std::string hello = Hello();
  if (send(socket, hello.data(), hello.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(hello.size())) {
    return false;
  }
  std::string received;
  while (received.size() < kMaxReceived) {
    pollfd ready = {socket, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(TimeLeft(deadline).count())) != 1) return false;
    char buffer[512];
    const ssize_t got = recv(socket, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got <= 0) return false;
    received.append(buffer, static_cast<std::size_t>(got));
    if (HoldsPingAck(received)) return true;
  }
  return false;
}

}  // namespace seaworthy::app
