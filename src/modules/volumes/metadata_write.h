// Writes LUKS2 metadata past libcryptsetup, for the one state that it can't get a volume out of.
#pragma once

#include <string>
#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::volumes {

// Replaces the JSON of both header copies, one after the other, so that a crash leaves a sound one;
// durable. The headers that are there must be sound. FAILED_PRECONDITION (LUKS_HEADER_DAMAGED) for
// what this can't be said of, RESOURCE_EXHAUSTED (TOKEN_AREA_FULL).
Status ReplaceMetadata(const std::string& path, std::string_view json);

}  // namespace seaworthy::volumes
