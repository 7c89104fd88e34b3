// What a LUKS2 header may say at all, before any key is released for it. Whoever writes to the disk
// writes headers: stock tools map a segment whose cipher was made "cipher_null" with the key that
// the TPM releases for it, and all that is written from then on lies in the clear (CVE-2025-59054,
// CVE-2025-58356). So what is not known to be good is refused; who wrote the rest is
// header_guard.h's question.
#pragma once

#include <string>
#include <vector>

#include "seaworthy/modules/volumes/luks2_header.h"

namespace seaworthy::volumes {

// Stable reasons: HEADER_CIPHER_REFUSED (a segment's), HEADER_SEGMENT_REFUSED,
// HEADER_KEYSLOT_REFUSED, HEADER_DIGEST_REFUSED, HEADER_CONFIG_REFUSED, HEADER_REQUIREMENT_REFUSED,
// HEADER_REENCRYPTION_UNEXPECTED, HEADER_COPIES_DIFFER.
struct HeaderFinding {
  std::string reason;
  std::string message;  // which part, and what was found there
  bool operator==(const HeaderFinding&) const = default;
};

enum class Reencryption : std::uint8_t { kUnexpected, kExpected };

// Whether the header is in the midst of one.
bool IsReencrypting(const Luks2Metadata& metadata);

// All that is refused; empty: nothing is. Good is one segment of aes-xts-plain64, keyslots as
// luksFormat and systemd-cryptenroll make them, and one pbkdf2 digest over all of them.
// When re-encryption is expected, and under way: segments, behind one another, of aes-xts-plain64,
// each like the one before or the one after it (the backup segments), no data shift, nothing that
// is or becomes plain.
std::vector<HeaderFinding> JudgeHeader(const Luks2Header& header, Reencryption reencryption);

// PERMISSION_DENIED with the first reason and all messages; OK when there is none.
Status ToStatus(const std::vector<HeaderFinding>& findings);

}  // namespace seaworthy::volumes
