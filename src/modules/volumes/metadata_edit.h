// The metadata of a volume that is being re-encrypted, of which libcryptsetup changes nothing.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "seaworthy/modules/volumes/luks.h"

namespace seaworthy::volumes {

// Libcryptsetup's locks are not taken: for copies of headers. The header is read again.
Status EditMetadata(Luks& luks, const std::function<void(nlohmann::json& metadata)>& edit);

// As Luks::SetToken, at that number.
Status WriteToken(Luks& luks, int token, const std::string& json);

}  // namespace seaworthy::volumes
