// Plans and transactions of the engine's configuration, as a person likes to read them.
#pragma once

#include <string>

#include "ctl/text.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::ctl {

std::string RenderPlan(const docker::Plan& plan, const Style& style);
std::string RenderTransaction(const docker::Transaction& transaction, const Style& style);
std::string RenderHistory(const std::vector<docker::Transaction>& history, const Style& style);

}  // namespace seaworthy::ctl
