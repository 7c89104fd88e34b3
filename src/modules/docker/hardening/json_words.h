// What the JSON of plans and of transactions has in common.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

// A file that was not there, or is removed, has no "before" or "after".
nlohmann::ordered_json FilesToJson(const std::vector<FileChange>& files);

// Texts that are no UTF-8 are shown and not refused.
std::string OneLine(const nlohmann::ordered_json& value);

}  // namespace seaworthy::docker
