// Names of a header's parts that are more than a name.
#pragma once

#include <string_view>

#include "seaworthy/modules/volumes/header_guard.h"

namespace seaworthy::volumes {

// Before the name of a part as it will be when the re-encryption has ended.
inline constexpr std::string_view kAfterwards = "afterwards: ";
// Before the name of one that goes then.
inline constexpr std::string_view kFormer = "former ";

// Of the header that is recorded while it is re-encrypted, those that it will have then.
HeaderParts PartsAfterwards(const HeaderParts& recorded);

}  // namespace seaworthy::volumes
