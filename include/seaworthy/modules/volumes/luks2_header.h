// The LUKS2 header as it lies at the beginning of a volume (LUKS2 On-Disk Format Specification 1.1,
// chapter 2): two copies, each of a binary part and JSON. Nothing is written here, and nothing of
// it is believed: see header_judge.h and header_guard.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "seaworthy/bytes.h"
#include "seaworthy/modules/volumes/luks2_metadata.h"

namespace seaworthy::volumes {

struct Luks2Header {
  bool secondary = false;  // the copy that libcryptsetup would use is the second
  std::uint64_t size = 0;  // of one copy
  std::uint64_t sequence = 0;
  std::string label;
  std::string subsystem;
  std::string uuid;
  Luks2Metadata metadata;
  std::string other_copy;  // in words, why the other copy is not used; empty: both say the same
  // Both copies call themselves the newest and say different things: no writer of LUKS2 does that.
  bool contradictory = false;
};

// The copy that libcryptsetup would use: of those whose checksum is right the newer one. A copy
// that it might read and that we do not understand ends it, whatever the other one says. NOT_FOUND
// (NOT_LUKS); FAILED_PRECONDITION (LUKS1_HEADER, LUKS_VERSION_UNKNOWN), and LUKS_HEADER_DAMAGED
// when neither copy is whole; INVALID_ARGUMENT (LUKS_HEADER_MALFORMED).
Result<Luks2Header> ReadLuks2Header(int fd);

// SHA-256 of what lies in the area of each keyslot of type luks2, by number. FAILED_PRECONDITION
// (LUKS_AREA_UNREADABLE) for one that is larger than 4 MiB or ends behind the device.
using KeyslotAreaDigests = std::map<std::uint32_t, Bytes>;
Result<KeyslotAreaDigests> DigestKeyslotAreas(int fd, const Luks2Metadata& metadata);

}  // namespace seaworthy::volumes
