// What a verifier asks of a node: one JSON file, readable and editable; see
// docs/modules/policy.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::verify {

// Lets a map of strings be asked with a view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

// The digest of a file: "sha256:..." as IMA names the hash.
struct FileDigest {
  std::string hash;
  Bytes digest;
  bool operator==(const FileDigest&) const = default;
};

// What the verifier does about something it was told to look for.
enum class Judge : std::uint8_t { kFail, kTell, kIgnore };

struct ImaPolicy {
  // Nothing is judged, and no list needed, unless the policy has a part "ima".
  bool required = false;
  // By path as IMA has it, or by the name of an event that is not a file ("kexec-cmdline").
  std::unordered_map<std::string, std::vector<FileDigest>, StringHash, std::equal_to<>> files;
  // Not judged: a path, or the beginning of one with a '*' behind it.
  std::vector<std::string> exclude;
  // Certificates or public keys, PEM. A file that one of them signed is allowed.
  std::vector<std::string> keys;
  Judge unlisted = Judge::kFail;
  Judge violations = Judge::kFail;
};

struct BootPolicy {
  // Nothing is judged, and no log needed, unless the policy has a part "boot".
  bool required = false;
  bool secure_boot = false;    // must be proven on
  bool verified_boot = false;  // and everything that was started, checked by it
  // Where there are any: each command line that was measured must be one of these, each EFI program
  // that was loaded have one of these digests (Authenticode), and each certificate that verified
  // one, one of these (SHA-256 of its DER form).
  std::vector<std::string> command_lines;
  std::vector<Bytes> images;
  std::vector<Bytes> authorities;
};

// What the TPM's clock and counters may say. Between two rounds nothing is judged without the state
// of the one before.
struct ClockPolicy {
  bool must_be_safe = false;  // TPMS_CLOCK_INFO.safe
  std::optional<std::uint32_t> max_resets = {};
  // While there was no reset, which clears their count.
  std::optional<std::uint32_t> max_restarts = {};
  // The TPM's, whose clock stands while it has no power.
  std::optional<std::uint32_t> max_seconds_between_rounds = {};
  // From making the nonce to the verdict, the backend's.
  std::optional<std::uint32_t> max_age_seconds = {};
  bool operator==(const ClockPolicy&) const = default;
};

struct Policy {
  std::string name;  // for people
  // Allowed values of each PCR, by bank (TPM_ALG_ID) and index. PCRs without any are not judged.
  std::map<std::pair<std::uint16_t, std::uint32_t>, std::vector<Bytes>> pcrs;
  ClockPolicy clock;
  BootPolicy boot;
  ImaPolicy ima;
};

inline constexpr std::size_t kMaxPolicyFile = std::size_t{256} << 20;

// INVALID_ARGUMENT (POLICY_MALFORMED) names the field: its place in the file, as a JSON pointer, or
// the line when it is not JSON at all. Unknown fields are errors: a misspelt one must not weaken.
Result<Policy> ParsePolicy(std::string_view json);

std::string ToJson(const Policy& policy);

// A path as IMA lists it: the kernel writes '_' for each space.
std::string ToImaPath(std::string path);

}  // namespace seaworthy::verify
