// What daemon.json and the command line may say to which version of dockerd.
#pragma once

#include <cstdint>
#include <string_view>

#include "modules/docker/engine_version.h"

namespace seaworthy::docker {

enum class KeyType : std::uint8_t {
  kFlag,     // true or false; a flag of dockerd that needs no value
  kText,     //
  kNumber,   //
  kTexts,    // a list of texts; a flag that may be given several times
  kObjects,  // a list of objects
  kMap,      // an object, taken as it is: dockerd looks for no keys in it
  kGroup,    // an object in which dockerd looks for keys
};

struct DaemonKey {
  std::string_view name;  // in daemon.json; empty for what is a flag alone
  std::string_view flag;  // without its dashes; empty for what is a key alone
  KeyType type = KeyType::kText;
  bool reloadable = false;  // taken over at SIGHUP
  char letter = '\0';       // of the short form of the flag
  EngineVersion since = {};
  EngineVersion until = {~0U, 0, 0};  // the first version without it
};

// Null for what an engine of this version does not know. dockerd takes names as they are written.
const DaemonKey* FindKey(std::string_view name, const EngineVersion& version);
const DaemonKey* FindFlag(std::string_view flag, const EngineVersion& version);
const DaemonKey* FindLetter(char letter, const EngineVersion& version);
// Null for what no engine from 20.10 to 29 knows.
const DaemonKey* FindKeyOfAnyVersion(std::string_view name);

}  // namespace seaworthy::docker
