// The fields of IMA's templates (security/integrity/ima/ima_template.c).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "seaworthy/ima_list.h"

namespace seaworthy::verify {

// The ids of a template's fields, by its name or by the fields themselves, "d-ng|n-ng".
std::vector<std::string_view> ImaTemplateFields(std::string_view name);

// How the data of a field is written in the ascii list.
enum class ImaFieldForm { kDigest, kDigestWithHash, kDigestWithType, kString, kNumber, kHex };

// Nothing when the field is not known.
std::optional<ImaFieldForm> FindImaFieldForm(std::string_view id);

}  // namespace seaworthy::verify
