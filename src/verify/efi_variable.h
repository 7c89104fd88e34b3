// UEFI variables as events have them.
#pragma once

#include <optional>
#include <string>

#include "seaworthy/boot_log.h"

namespace seaworthy::verify {

// Of EFI_SIGNATURE_DATA, before the certificate or hash.
inline constexpr std::size_t kSignatureOwnerSize = 16;

inline constexpr std::string_view kEfiGlobalGuid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

// UEFI_VARIABLE_DATA (PFP); nullopt when the lengths in it do not add up to `data`. With
// `authority`, the value of a signature database is the one entry that verified an image.
std::optional<EfiVariable> ParseEfiVariable(ByteView data, bool authority);

// As it lies in `data`, which ParseEfiVariable took.
ByteView EfiVariableValue(ByteView data);

// What the variable says, for a person.
std::string EfiVariableSentence(const EfiVariable& variable, bool authority);

}  // namespace seaworthy::verify
