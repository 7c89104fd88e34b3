// Drift from a baseline as it is told.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ctl/text.h"
#include "seaworthy/modules/integrity/baseline.h"

namespace seaworthy::ctl {

// ASCII all of it, but for messages.
std::string Dump(const nlohmann::ordered_json& json);

nlohmann::ordered_json ToJson(const integrity::FileDrift& drift);
std::string RenderDrift(const integrity::FileDrift& drift, const Style& style);

}  // namespace seaworthy::ctl
