#include "modules/docker/proc_net.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

constexpr std::uint64_t kAcceptsConnections = 0x10000;  // __SO_ACCEPTCON
constexpr std::uint64_t kTcpListen = 0x0a;              // TCP_LISTEN

// The next field of a line, which has spaces around it.
std::string_view Next(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t end = std::min(line.find(' ', begin), line.size());
  const std::string_view field = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return field;
}

std::optional<std::uint64_t> ToNumber(std::string_view text, int base) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return {};
  }
  return number;
}

// Calls `parse` with each line but the first, which names the columns.
template <class Parse>
std::vector<ListeningSocket> ParseLines(std::string_view table, Parse parse) {
  std::vector<ListeningSocket> sockets;
  for (const std::string_view line : Split(table, '\n')) {
    if (line.data() == table.data()) continue;
    if (std::optional<ListeningSocket> socket = parse(line)) sockets.push_back(*std::move(socket));
  }
  return sockets;
}

// Words of 32 bits, each as the machine has it in memory: "0100007F", and four of them.
std::optional<std::string> Address(std::string_view hex) {
  std::uint8_t bytes[16] = {};
  if (hex.size() != 8 && hex.size() != 32) return {};
  for (std::size_t at = 0; at < hex.size(); at += 8) {
    const auto word = ToNumber(hex.substr(at, 8), 16);
    if (!word.has_value()) return {};
    const auto in_memory = static_cast<std::uint32_t>(*word);
    std::memcpy(bytes + at / 2, &in_memory, sizeof(in_memory));
  }
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(hex.size() == 8 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
  return std::string(text);
}

// "Num: RefCount Protocol Flags Type St Inode Path"
std::optional<ListeningSocket> ParseUnixLine(std::string_view line) {
  for (int skipped = 0; skipped < 3; ++skipped) Next(line);
  const auto flags = ToNumber(Next(line), 16);
  for (int skipped = 0; skipped < 2; ++skipped) Next(line);
  const auto inode = ToNumber(Next(line), 10);
  if (!flags || !inode || (*flags & kAcceptsConnections) == 0) return {};
  // The path may have spaces in it. An abstract one begins with "@".
  if (line.size() < 2 || line[1] != '/') return {};
  return ListeningSocket{*inode, {Listener::Kind::kUnix, std::string(line.substr(1)), 0}};
}

// "sl local_address rem_address st tx:rx tr:tm->when retrnsmt uid timeout inode ..."
std::optional<ListeningSocket> ParseTcpLine(std::string_view line) {
  Next(line);
  const std::string_view local = Next(line);
  Next(line);
  const auto state = ToNumber(Next(line), 16);
  for (int skipped = 0; skipped < 5; ++skipped) Next(line);
  const auto inode = ToNumber(Next(line), 10);
  const std::size_t colon = local.find(':');
  if (colon == std::string_view::npos || !inode || state != kTcpListen) return {};
  const auto address = Address(local.substr(0, colon));
  const auto port = ToNumber(local.substr(colon + 1), 16);
  if (!address || !port || *port > 0xffff) return {};
  return ListeningSocket{*inode,
                         {Listener::Kind::kTcp, *address, static_cast<std::uint16_t>(*port)}};
}

}  // namespace

std::vector<ListeningSocket> ParseProcNetUnix(std::string_view table) {
  return ParseLines(table, ParseUnixLine);
}

std::vector<ListeningSocket> ParseProcNetTcp(std::string_view table) {
  return ParseLines(table, ParseTcpLine);
}

}  // namespace seaworthy::docker
