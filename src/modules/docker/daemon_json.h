// daemon.json, read as the engine reads it and judged by what the engine makes of it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/engine_version.h"

namespace seaworthy::docker {

inline constexpr std::size_t kMaxDaemonJson = std::size_t{256} << 10;

struct ConfigProblem {
  std::string where;   // a JSON pointer into daemon.json, or a flag with its dashes
  std::string reason;  // DAEMON_JSON_UNKNOWN_KEY, ...
  std::string text;    // a sentence
};

struct DaemonJson {
  // As it was in the file, for one who writes it again.
  nlohmann::json file = nlohmann::json::object();
  // What an engine of that version takes from it, by the keys' names; what it looks over is not in.
  std::map<std::string, nlohmann::json, std::less<>> settings;
  std::vector<ConfigProblem> problems;
};

// INVALID_ARGUMENT (DAEMON_JSON_MALFORMED) for what parsers read in different ways: names given
// twice, of which the engine takes the last one; NULs; comments; a byte order mark; and for more
// than kMaxDaemonJson bytes. What can be read and is wrong is in `problems`:
//   DAEMON_JSON_UNKNOWN_KEY  the engine does not start
//   DAEMON_JSON_WRONG_TYPE   the engine does not start
//   DAEMON_JSON_NESTED       a key within an object that is none of the engine's. What is true or
//                            false there it takes, whatever reads the top level alone
//   DAEMON_JSON_NO_KEY       the name of a flag, or of a member of "proxies": taken without a word,
//                            and without effect
Result<DaemonJson> ParseDaemonJson(std::string_view text, const EngineVersion& version);

}  // namespace seaworthy::docker
