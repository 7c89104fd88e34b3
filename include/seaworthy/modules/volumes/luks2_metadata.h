// What the JSON of a LUKS2 header says, in types (LUKS2 On-Disk Format Specification 1.1, chapter
// 3).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"

namespace seaworthy::volumes {

// More than any header may have: LUKS2 knows sizes up to 4 MiB.
inline constexpr std::size_t kMaxLuks2Json = std::size_t{4} << 20;

// Of each part, `json` is all of it in one canonical form: names in order, no blanks, whatever was
// written how. `unknown` are the fields in it that are not known here, by path within it.

struct Luks2Af {
  std::string type;
  std::uint32_t stripes = 0;
  std::string hash;
};

struct Luks2Area {
  std::string type;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string encryption;      // of type raw
  std::uint32_t key_size = 0;  // of type raw
  std::string hash;            // of what a re-encryption keeps
  std::uint32_t sector_size = 0;
  std::uint64_t shift_size = 0;
};

struct Luks2Kdf {
  std::string type;
  std::string hash;              // pbkdf2
  std::uint64_t iterations = 0;  // pbkdf2
  std::uint64_t time = 0;        // argon2: passes
  std::uint64_t memory = 0;      // argon2: KiB
  std::uint64_t cpus = 0;        // argon2
  Bytes salt;
};

struct Luks2Keyslot {
  using Af = Luks2Af;
  using Area = Luks2Area;
  using Kdf = Luks2Kdf;

  std::string type;  // "luks2", or "reencrypt" for what a re-encryption keeps
  std::uint32_t key_size = 0;
  std::optional<std::uint32_t> priority;
  Area area;
  std::optional<Af> af;
  std::optional<Kdf> kdf;
  std::string mode;       // of a re-encryption: "reencrypt", "encrypt", "decrypt"
  std::string direction;  // of a re-encryption
  std::string json;
  std::vector<std::string> unknown;
};

struct Luks2Segment {
  std::string type;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> size;  // nothing: to the end of the device
  std::uint64_t iv_tweak = 0;
  std::string encryption;
  std::uint32_t sector_size = 0;
  bool integrity = false;
  std::vector<std::string> flags;
  std::string json;
  std::vector<std::string> unknown;
};

struct Luks2Digest {
  std::string type;
  std::vector<std::uint32_t> keyslots;
  std::vector<std::uint32_t> segments;
  std::string hash;
  std::uint32_t iterations = 0;
  Bytes salt;
  Bytes digest;
  std::string json;
  std::vector<std::string> unknown;
};

struct Luks2Token {
  std::string type;
  std::vector<std::uint32_t> keyslots;
  std::string json;  // all of it
};

struct Luks2Config {
  std::uint64_t json_size = 0;
  std::uint64_t keyslots_size = 0;
  std::vector<std::string> flags;
  std::vector<std::string> requirements;  // the mandatory ones
  std::string json;
  std::vector<std::string> unknown;
};

// By number.
struct Luks2Metadata {
  std::map<std::uint32_t, Luks2Keyslot> keyslots;
  std::map<std::uint32_t, Luks2Segment> segments;
  std::map<std::uint32_t, Luks2Digest> digests;
  std::map<std::uint32_t, Luks2Token> tokens;
  Luks2Config config;
};

// The JSON of a header, as it lies on the disk or as libcryptsetup gives it out (crypt_dump_json):
// both give the same `json` of each part, so that what was judged can be compared with what
// libcryptsetup has loaded. INVALID_ARGUMENT (LUKS_HEADER_MALFORMED), naming the field.
Result<Luks2Metadata> ParseLuks2Metadata(std::string_view json);

// FAILED_PRECONDITION (HEADER_CHANGED), naming the first part that differs.
Status SameMetadata(const Luks2Metadata& judged, const Luks2Metadata& loaded);

}  // namespace seaworthy::volumes
