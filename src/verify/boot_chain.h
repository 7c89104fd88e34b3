// The statements about the boot as a whole: Secure Boot, whether it held for all that was started,
// and whether all that verified it is shown.
#pragma once

#include <optional>
#include <vector>

#include "seaworthy/boot_log.h"

namespace seaworthy::verify {

// kError is told by the digest alone, whatever type the log gives the event.
enum class SeparatorKind { kNone, kEnd, kError };

// An extended event with what it says and whether its digest covers that.
struct ExaminedEvent {
  const BootEvent* event = nullptr;
  DecodedBootEvent decoded;
  DigestCheck check = DigestCheck::kNoDigest;
  SeparatorKind separator = SeparatorKind::kNone;
};

// Whether an event of the type has the digest of an image.
bool IsImage(std::uint32_t type);

// The authority that an event in PCR 7 shows, its digest being over all of it.
std::optional<BootAuthority> AuthorityOf(const ExaminedEvent& examined);

Statement StateAuthorities(const std::vector<ExaminedEvent>& events);

Statement StateSecureBoot(const std::vector<ExaminedEvent>& events);

// `facts` has secure_boot, images and pre_boot.
Statement StateVerifiedBoot(const std::vector<ExaminedEvent>& events, const BootFacts& facts);

}  // namespace seaworthy::verify
