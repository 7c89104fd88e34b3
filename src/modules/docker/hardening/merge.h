// What a profile wants, put together with what is there.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/daemon_key.h"
#include "modules/docker/effective_config.h"

namespace seaworthy::docker {

// The flags that say what the key does: the one of its name, or those of a group's members.
std::vector<std::string> FlagsOf(const DaemonKey& key);

// What counts now, in the form of daemon.json also where flags say it; null: nobody does.
nlohmann::json CurrentValue(const DaemonKey& key, const EngineFlags& flags, const DaemonJson& file,
                            const EffectiveConfig& config);

// Who says it.
Origin OriginOf(const DaemonKey& key, const EffectiveConfig& config);

// Objects: the profile's members, and others stay as they are. Lists: what the profile has and, but
// for lists that are meant whole (hosts, insecure registries, resolvers, address pools), what else
// is there; an entry NAME=VALUE takes the place of the one of its name. All else is the profile's.
nlohmann::json Merge(const DaemonKey& key, const nlohmann::json& current,
                     const nlohmann::json& wanted);

// Indented by 2 or 4 as `before` is, 4 when it is not; names are sorted.
std::string WriteDaemonJson(const nlohmann::json& file, std::string_view before);

}  // namespace seaworthy::docker
