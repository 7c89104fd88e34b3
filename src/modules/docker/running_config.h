// The configuration beside what the running engine says of itself: the file may have changed since
// the engine read it.
#pragma once

#include <string>
#include <string_view>

#include "modules/docker/facts.h"

namespace seaworthy::docker {

// A value as it stands in evidence: one line, not long.
std::string ShowValue(const nlohmann::json& value);

// What a setting is and who says so: "/etc/docker/daemon.json: icc = false", "dockerd --icc =
// false", "icc = true, the engine's default". Only where facts.config is ok.
std::string ShowSetting(const Facts& facts, std::string_view key);

// A member of /info: "GET /info: Debug = true"; with what the configuration says where `key` is
// another there.
std::string ShowInfo(const Facts& facts, std::string_view member, std::string_view key = {});

// What /info shows of a setting as it runs; null where it shows nothing of it.
const nlohmann::json& RunningValue(const Facts& facts, std::string_view key);

// A sentence where the engine cannot have started with the file as it is now; empty where nothing
// shows that.
std::string ChangedSinceStart(const Facts& facts);

}  // namespace seaworthy::docker
