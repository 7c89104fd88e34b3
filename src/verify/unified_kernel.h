// Unified kernel images: what systemd-stub measures of the one that it is in.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "verify/pe_image.h"

namespace seaworthy::verify {

struct UkiSection {
  std::string_view name;
  ByteView content;
};

bool IsUnifiedKernel(const PeImage& image);

// Those that the stub measures into PCR 11, in its order: for each, the digest of the name with a
// NUL and that of the content. FAILED_PRECONDITION, reason CANNOT_PREDICT, for a stub of another
// version than 252, Debian 12's: later ones measure more and load the kernel through the firmware.
Result<std::vector<UkiSection>> MeasuredSections(const PeImage& image);

// What the kernel gets, and measures, of the section .cmdline: UTF-16 with a NUL; the stub makes
// control characters spaces and takes spaces off the end. nullopt for what is not ASCII or is
// nothing then.
std::optional<Bytes> LoadOptionsOf(ByteView command_line);

// Whether a section of that name is measured.
bool IsMeasuredSection(std::string_view name);

}  // namespace seaworthy::verify
