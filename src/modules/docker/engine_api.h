// Docker's Engine API over the engine's own socket.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// What somebody who follows the engine's events looks after besides.
struct Besides {
  std::vector<int> descriptors;  // waited for, until there is something to read
  // Called after each wait, whatever ended it, and once before the first. `answers`: the engine has
  // begun to answer. When to be called again at the latest; nothing: it is enough.
  std::function<std::optional<Deadline>(bool answers)> look;
};

// One connection, kept between the calls; for one thread. What may go wrong in any call:
//   UNAVAILABLE (ENGINE_ABSENT)            nobody listens there, or no longer
//   DEADLINE_EXCEEDED (ENGINE_TIMEOUT)     no whole answer in time
//   RESOURCE_EXHAUSTED (ENGINE_ANSWER_TOO_LONG)
//   INTERNAL (ENGINE_ANSWER_MALFORMED)     no HTTP, or not the JSON it should be
//   NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, INVALID_ARGUMENT (ENGINE_REFUSED) as the
//   engine says 404, 403, 409, another 4xx; INTERNAL (ENGINE_REFUSED) at 5xx: with its own words.
class EngineApi {
 public:
  // `socket` is the path of a Unix socket.
  explicit EngineApi(std::string socket);
  ~EngineApi();
  EngineApi(EngineApi&&) noexcept;

  // `path` begins with "/": "/containers/json?all=1". The engine's newest version of it.
  Result<nlohmann::json> Get(Deadline deadline, const std::string& path);
  // Null where the engine answers with nothing.
  Result<nlohmann::json> Post(Deadline deadline, const std::string& path,
                              const nlohmann::json& body = {});
  Status Delete(Deadline deadline, const std::string& path);
  // A body as it is: an archive for "/images/load".
  Result<nlohmann::json> PostRaw(Deadline deadline, const std::string& path,
                                 std::string_view content_type, std::string_view body);
  // OK when the engine says that it is well.
  Status Ping(Deadline deadline);

  // The engine's events from now on, one by one, until the deadline, or `next` returns false, or
  // `besides` has had enough. Ok then, and where the engine ends them in good order. `path` is
  // "/events?filters=...". Of what happens while the engine begins to answer it tells nothing
  // unless the path has a "since".
  Status Follow(Deadline deadline, const std::string& path,
                const std::function<bool(const nlohmann::json&)>& next,
                const Besides& besides = {});

  const std::string& socket() const { return socket_; }

 private:
  struct Call;
  Status Perform(Deadline deadline, Call& call);

  std::string socket_;
  std::unique_ptr<void, void (*)(void*)> curl_;
};

// As a part of a path or of a query.
std::string UrlEncode(std::string_view text);

}  // namespace seaworthy::docker
