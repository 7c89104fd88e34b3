#include <algorithm>

#include "seaworthy/boot_log.h"
#include "verify/boot_event_types.h"
#include "verify/boot_text.h"
#include "verify/digest.h"
#include "verify/efi_text.h"
#include "verify/efi_variable.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

// PFP, event types: what the digest of each type is over, where that is the event's data.
bool DigestIsOverData(std::uint32_t type) {
  switch (type) {
    case kEvSeparator:
    case kEvAction:
    case kEvSCrtmVersion:
    case kEvOmitBootDeviceEvents:
    case kEvEfiVariableDriverConfig:
    case kEvEfiVariableBoot:
    case kEvEfiVariableBoot2:
    case kEvEfiVariableAuthority:
    case kEvEfiGptEvent:
    case kEvEfiAction:
      return true;
    default:
      return false;
  }
}

bool IsVariable(std::uint32_t type) {
  return type == kEvEfiVariableDriverConfig || type == kEvEfiVariableBoot ||
         type == kEvEfiVariableBoot2 || type == kEvEfiVariableAuthority;
}

bool IsText(std::uint32_t type) {
  return type == kEvIpl || type == kEvAction || type == kEvEfiAction || type == kEvSCrtmVersion ||
         type == kEvOmitBootDeviceEvents;
}

// An event's digest, and whether it is over given bytes.
class EventDigest {
 public:
  EventDigest(ByteView digest, const EVP_MD* hash) : digest_(digest), hash_(hash) {}

  bool IsOver(ByteView bytes) const {
    std::uint8_t computed[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    return EVP_Digest(bytes.data(), bytes.size(), computed, &size, hash_, nullptr) == 1 &&
           std::ranges::equal(digest_, ByteView(computed, size));
  }

 private:
  ByteView digest_;
  const EVP_MD* hash_;
};

// Firmware counts the NUL or does not; systemd-stub logs section names in UTF-16 and hashes them
// in UTF-8 with a NUL.
bool IsOverText(const EventDigest& digest, ByteView data) {
  if (digest.IsOver(WithoutNuls(data))) return true;
  std::optional<Bytes> utf8 = Utf16ToUtf8(data);
  if (!utf8) return false;
  if (digest.IsOver(*utf8)) return true;
  utf8->push_back(0);
  return digest.IsOver(*utf8);
}

bool IsOverPart(const EventDigest& digest, const BootEvent& event) {
  if (IsVariable(event.type) && ParseEfiVariable(event.data, false)) {
    return digest.IsOver(EfiVariableValue(event.data));
  }
  if (event.type == kEvEventTag) {
    const auto tagged = ParseTaggedEvent(event.data);
    return tagged && digest.IsOver(tagged->data);
  }
  if (event.type == kEvSeparator) {
    // PFP, EV_SEPARATOR: the digest of an error is over the value 1, little-endian.
    static constexpr std::uint8_t kError[] = {1, 0, 0, 0};
    return digest.IsOver(kError);
  }
  if (event.type == kEvIpl) {
    // GRUB does not hash the prefix; it logs a NUL and does not hash it either.
    const ByteView text = AfterGrubPrefix(event.data);
    return !text.empty() && digest.IsOver(WithoutNuls(text));
  }
  return false;
}

}  // namespace

DigestCheck CheckEventDigest(const BootEvent& event, std::uint16_t bank) {
  if (event.type == kEvNoAction) return DigestCheck::kNotExtended;
  const auto found = event.digests.find(bank);
  const EVP_MD* hash = PcrBankHash(bank);
  if (found == event.digests.end() || hash == nullptr) return DigestCheck::kNoDigest;
  const EventDigest digest(found->second, hash);
  if (digest.IsOver(event.data)) return DigestCheck::kMatches;
  if (IsText(event.type) && IsOverText(digest, event.data)) return DigestCheck::kMatches;
  if (IsOverPart(digest, event)) return DigestCheck::kMatchesPart;
  return DigestIsOverData(event.type) ? DigestCheck::kDiffers : DigestCheck::kOfOther;
}

}  // namespace seaworthy::verify
