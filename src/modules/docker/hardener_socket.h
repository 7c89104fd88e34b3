// Lines between the daemon and seaworthy-hardener, each wait within a deadline.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// UNAVAILABLE (HARDENER_MISSING); DEADLINE_EXCEEDED (HARDENER_TIMEOUT), as the others.
Result<UniqueFd> ConnectToHardener(const std::string& path, Deadline deadline);

// The line and its end. UNAVAILABLE (HARDENER_GONE) when the other side is gone.
Status SendLine(int socket, Deadline deadline, std::string_view line);

// The same without waiting: what has no room now is not sent whole, and then nothing more can be.
bool TrySendLine(int socket, std::string_view line);

class LineReader {
 public:
  // `max` bytes a line. The socket outlives it.
  LineReader(int socket, std::size_t max) : socket_(socket), max_(max) {}

  // Without its end. Asks `wanted`, where there is one, a few times a second: CANCELLED
  // (CLIENT_GONE) once it says no. UNAVAILABLE (HARDENER_GONE) at the end of the stream;
  // RESOURCE_EXHAUSTED (HARDENER_LINE_TOO_LONG).
  Result<std::string> Next(Deadline deadline, const std::function<bool()>& wanted = {});

  // Whether more has come with what was read.
  bool pending() const { return !buffer_.empty(); }

 private:
  Status Wait(Deadline deadline, const std::function<bool()>& wanted) const;

  const int socket_;
  const std::size_t max_;
  std::string buffer_;
};

}  // namespace seaworthy::docker
