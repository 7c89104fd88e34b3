// JSON from outside, read so that every reader of it sees the same.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"

namespace seaworthy {

// One object or nothing. libcryptsetup, systemd and dockerd read the same texts with parsers of
// their own, so what parsers take differently is refused: a name twice in an object, a NUL in a
// text, a fraction, more than 32 levels, a byte order mark, anything but RFC 8259. INVALID_ARGUMENT
// with `reason`.
Result<nlohmann::json> ParseForeignJson(std::string_view text, std::size_t max,
                                        std::string_view reason);

// "0" to `max`, as it is written without leading zeros.
bool ParseDecimal(std::string_view text, std::uint64_t max, std::uint64_t& out);

// A text from outside as it may stand in a message: one line, not long.
std::string Quoted(std::string_view text);

// What is wrong first, of all that is read.
class FirstError {
 public:
  explicit FirstError(std::string_view reason) : reason_(reason) {}
  void Tell(const std::string& where, std::string_view what);
  const Status& status() const { return status_; }

 private:
  const std::string_view reason_;
  Status status_;
};

// The fields of one object. What is not as it should be is told to `error`, and `out` stays.
class ObjectReader {
 public:
  enum class Presence : std::uint8_t { kRequired, kOptional };
  static constexpr Presence kOptional = Presence::kOptional;

  // `value` and `error` outlive it.
  ObjectReader(const nlohmann::json& value, std::string where, FirstError& error);

  // Null when it is not there.
  const nlohmann::json* Any(const char* name, Presence presence = Presence::kRequired);
  const nlohmann::json* Object(const char* name, Presence presence = Presence::kRequired);

  // Whether it was there, and read.
  bool Text(const char* name, std::string& out, Presence presence = Presence::kRequired);
  bool Flag(const char* name, bool& out, Presence presence = Presence::kRequired);
  bool Number(const char* name, std::uint32_t& out, Presence presence = Presence::kRequired);
  bool Number(const char* name, std::uint64_t& out, Presence presence = Presence::kRequired);
  // LUKS2 writes what may need 64 bits as text.
  bool Decimal(const char* name, std::uint64_t& out, Presence presence = Presence::kRequired);
  bool Base64(const char* name, Bytes& out, Presence presence = Presence::kRequired);
  bool Base64Url(const char* name, Bytes& out, Presence presence = Presence::kRequired);
  bool Hex(const char* name, Bytes& out, Presence presence = Presence::kRequired);
  bool Texts(const char* name, std::vector<std::string>& out,
             Presence presence = Presence::kRequired);
  // Numbers of PCRs, ascending, each once.
  bool Pcrs(const char* name, std::vector<std::uint32_t>& out,
            Presence presence = Presence::kRequired);
  // Numbers as LUKS2 refers to its parts: ["0", "1"], each once.
  bool Numbers(const char* name, std::vector<std::uint32_t>& out,
               Presence presence = Presence::kRequired);

  // What is wrong with a field in the eyes of the caller.
  void Tell(const char* name, std::string_view what);

  // Fields that nobody asked for.
  nlohmann::json Rest() const;
  const std::string& where() const { return where_; }

 private:
  std::string Field(const char* name) const { return where_ + "/" + name; }

  const nlohmann::json& object_;
  const std::string where_;
  FirstError& error_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace seaworthy
