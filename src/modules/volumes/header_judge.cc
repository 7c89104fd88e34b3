#include "seaworthy/modules/volumes/header_judge.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "seaworthy/json/foreign_json.h"

namespace seaworthy::volumes {
namespace {

constexpr std::string_view kCipher = "aes-xts-plain64";
// The first version of online re-encryption does not protect its own metadata (CVE-2021-4122).
constexpr std::string_view kReencryptRequirement = "online-reencrypt-v2";
constexpr std::string_view kBackupPrevious = "backup-previous";
constexpr std::string_view kBackupFinal = "backup-final";

constexpr std::uint32_t kStripes = 4000;  // the only number that LUKS2 takes
constexpr std::uint64_t kMaxArea = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxKeyslots = 128 * 1024 * 1024;
constexpr std::size_t kMinSalt = 16;
constexpr std::size_t kMaxSalt = 64;
// Costs that keep a boot waiting for hours are refused like any other nonsense.
constexpr std::uint64_t kMinIterations = 1000;
constexpr std::uint64_t kMaxIterations = 100'000'000;
constexpr std::uint64_t kMaxArgonTime = 1000;
constexpr std::uint64_t kMinArgonMemory = 32;
constexpr std::uint64_t kMaxArgonMemory = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxArgonCpus = 16;

bool OneOf(std::string_view text, std::initializer_list<std::string_view> known) {
  return std::ranges::find(known, text) != known.end();
}

bool Between(std::uint64_t value, std::uint64_t min, std::uint64_t max) {
  return value >= min && value <= max;
}

bool GoodKeySize(std::uint32_t bytes) { return bytes == 32 || bytes == 64; }  // two keys of XTS

std::size_t HashSize(std::string_view hash) {
  if (hash == "sha256") return 32;
  return hash == "sha512" ? 64 : 0;
}

bool HasFlag(const Luks2Segment& segment, std::string_view flag) {
  return std::ranges::find(segment.flags, flag) != segment.flags.end();
}

bool IsBackup(const Luks2Segment& segment) {
  return HasFlag(segment, kBackupPrevious) || HasFlag(segment, kBackupFinal);
}

// What is said about one part, under one reason.
class Part {
 public:
  Part(std::vector<HeaderFinding>& findings, std::string_view reason, std::string name)
      : findings_(findings), reason_(reason), name_(std::move(name)) {}

  void Refuse(const std::string& what) const { Refuse(reason_, what); }
  void Refuse(std::string_view reason, const std::string& what) const {
    findings_.push_back({std::string(reason), name_ + " " + what});
  }
  void Unknown(const std::vector<std::string>& fields) const {
    for (const std::string& field : fields) Refuse("has the unknown field " + Quoted(field));
  }

 private:
  std::vector<HeaderFinding>& findings_;
  const std::string_view reason_;
  const std::string name_;
};

class Judge {
 public:
  Judge(const Luks2Header& header, bool reencrypting)
      : header_(header), metadata_(header.metadata), reencrypting_(reencrypting) {}

  std::vector<HeaderFinding> Findings() {
    Copies();
    for (const auto& [number, segment] : metadata_.segments) OneSegment(number, segment);
    if (reencrypting_) {
      SegmentsOfReencryption();
    } else if (metadata_.segments.size() != 1) {
      Whole("HEADER_SEGMENT_REFUSED")
          .Refuse("has " + std::to_string(metadata_.segments.size()) + " segments instead of one");
    }
    for (const auto& [number, keyslot] : metadata_.keyslots) {
      if (keyslot.type == "luks2") {
        OneKeyslot(number, keyslot);
      } else {
        OtherKeyslot(number, keyslot);
      }
    }
    for (const auto& [number, digest] : metadata_.digests) OneDigest(number, digest);
    Assignments();
    Config();
    return std::move(findings_);
  }

 private:
  Part Whole(std::string_view reason) { return {findings_, reason, "the header"}; }

  void Copies() {
    if (!header_.contradictory) return;
    findings_.push_back({"HEADER_COPIES_DIFFER", header_.other_copy});
  }

  void OneSegment(std::uint32_t number, const Luks2Segment& segment) {
    const Part part(findings_, "HEADER_SEGMENT_REFUSED", "segment " + std::to_string(number));
    part.Unknown(segment.unknown);
    if (segment.type != "crypt") {
      part.Refuse("is of type " + Quoted(segment.type) + ", not crypt");
      return;
    }
    if (segment.encryption != kCipher) {
      part.Refuse("HEADER_CIPHER_REFUSED", "is encrypted with " + Quoted(segment.encryption) +
                                               ", not with " + std::string(kCipher));
    }
    const std::uint32_t sector = segment.sector_size;
    if (sector < 512 || sector > 4096 || (sector & (sector - 1)) != 0) {
      part.Refuse("has sectors of " + std::to_string(sector) + " bytes");
    } else if (segment.offset % 512 != 0 || segment.size.value_or(0) % sector != 0) {
      part.Refuse("does not lie on whole sectors");
    }
    if (segment.size == 0U) part.Refuse("is empty");
    if (segment.integrity) part.Refuse("wants integrity, which is not known here");
    for (const std::string& flag : segment.flags) {
      if (reencrypting_ && OneOf(flag, {kBackupPrevious, kBackupFinal, "in-reencryption"}))
        continue;
      part.Refuse("has the flag " + Quoted(flag));
    }
  }

  // In order of their numbers: what is done, what is being done, what is still to be done; then
  // what it was and what it will be.
  void SegmentsOfReencryption() {
    const Luks2Segment* previous = nullptr;
    const Luks2Segment* final = nullptr;
    for (const auto& [number, segment] : metadata_.segments) {
      if (HasFlag(segment, kBackupPrevious)) previous = &segment;
      if (HasFlag(segment, kBackupFinal)) final = &segment;
    }
    const auto backups = std::ranges::count_if(
        metadata_.segments, [](const auto& entry) { return IsBackup(entry.second); });
    if (previous == nullptr || final == nullptr || backups != 2) {
      Whole("HEADER_SEGMENT_REFUSED")
          .Refuse("is being re-encrypted and does not say from what to what");
      return;
    }
    const auto alike = [](const Luks2Segment& one, const Luks2Segment& other) {
      return one.encryption == other.encryption && one.sector_size == other.sector_size;
    };
    std::size_t moving = 0;
    std::uint64_t begin = previous->offset;
    bool at_end = false;
    for (const auto& [number, segment] : metadata_.segments) {
      if (IsBackup(segment)) continue;
      ++moving;
      const Part part(findings_, "HEADER_SEGMENT_REFUSED", "segment " + std::to_string(number));
      if (!alike(segment, *previous) && !alike(segment, *final)) {
        part.Refuse("is neither as it was nor as it will be");
      }
      // Two sectors under one tweak would tell whether they are the same.
      if (at_end || segment.offset != begin ||
          segment.iv_tweak != previous->iv_tweak + (segment.offset - previous->offset) / 512) {
        part.Refuse("does not begin where the one before ends");
      }
      begin = segment.offset + segment.size.value_or(0);
      at_end = !segment.size.has_value();
    }
    if (previous->offset != final->offset || previous->iv_tweak != final->iv_tweak) {
      Whole("HEADER_SEGMENT_REFUSED").Refuse("is being re-encrypted with its data shifted");
    }
    if (moving < 1 || moving > 3) {
      Whole("HEADER_SEGMENT_REFUSED")
          .Refuse("has " + std::to_string(moving) + " segments besides those of the backup");
    }
  }

  void OneKeyslot(std::uint32_t number, const Luks2Keyslot& keyslot) {
    const Part part(findings_, "HEADER_KEYSLOT_REFUSED", "keyslot " + std::to_string(number));
    part.Unknown(keyslot.unknown);
    if (!GoodKeySize(keyslot.key_size)) {
      part.Refuse("holds a key of " + std::to_string(keyslot.key_size) + " bytes");
    }
    if (keyslot.priority.value_or(1) > 2) part.Refuse("has an unknown priority");
    if (!keyslot.mode.empty() || !keyslot.direction.empty()) part.Refuse("has a direction");
    Area(part, keyslot);
    if (!keyslot.af) {
      part.Refuse("has no anti-forensic splitter");
    } else if (keyslot.af->type != "luks1" || keyslot.af->stripes != kStripes ||
               HashSize(keyslot.af->hash) == 0) {
      part.Refuse("is split by " + Quoted(keyslot.af->type) + " with " + Quoted(keyslot.af->hash));
    }
    Kdf(part, keyslot);
  }

  void Area(const Part& part, const Luks2Keyslot& keyslot) const {
    const Luks2Keyslot::Area& area = keyslot.area;
    if (area.type != "raw" || !area.hash.empty() || area.sector_size != 0 || area.shift_size != 0) {
      part.Refuse("has an area of type " + Quoted(area.type) + ", not raw");
      return;
    }
    if (area.encryption != kCipher) {
      part.Refuse("is encrypted with " + Quoted(area.encryption) + ", not with " +
                  std::string(kCipher));
    }
    if (!GoodKeySize(area.key_size)) {
      part.Refuse("is encrypted with a key of " + std::to_string(area.key_size) + " bytes");
    }
    if (area.size > kMaxArea || area.size < std::uint64_t{keyslot.key_size} * kStripes ||
        !InRoom(area)) {
      part.Refuse("has an area that is too small, or not where keyslots are");
    }
  }

  bool InRoom(const Luks2Keyslot::Area& area) const {
    const std::uint64_t begin = 2 * header_.size;
    const std::uint64_t room = metadata_.config.keyslots_size;
    return area.offset >= begin && area.size <= room && area.offset - begin <= room - area.size;
  }

  static void Kdf(const Part& part, const Luks2Keyslot& keyslot) {
    if (!keyslot.kdf) {
      part.Refuse("has no key derivation");
      return;
    }
    const Luks2Keyslot::Kdf& kdf = *keyslot.kdf;
    if (kdf.type == "pbkdf2") {
      if (HashSize(kdf.hash) == 0) part.Refuse("derives its key with " + Quoted(kdf.hash));
      if (!Between(kdf.iterations, kMinIterations, kMaxIterations)) {
        part.Refuse("derives its key in " + std::to_string(kdf.iterations) + " iterations");
      }
    } else if (OneOf(kdf.type, {"argon2i", "argon2id"})) {
      if (!Between(kdf.time, 1, kMaxArgonTime) ||
          !Between(kdf.memory, kMinArgonMemory, kMaxArgonMemory) ||
          !Between(kdf.cpus, 1, kMaxArgonCpus)) {
        part.Refuse("derives its key at a cost that is out of bounds");
      }
    } else {
      part.Refuse("derives its key with " + Quoted(kdf.type));
    }
    if (!Between(kdf.salt.size(), kMinSalt, kMaxSalt)) {
      part.Refuse("has a salt of " + std::to_string(kdf.salt.size()) + " bytes");
    }
  }

  // What a re-encryption keeps: how far it is, and checksums or a journal of what it is at.
  void OtherKeyslot(std::uint32_t number, const Luks2Keyslot& keyslot) {
    const Part part(findings_, "HEADER_KEYSLOT_REFUSED", "keyslot " + std::to_string(number));
    if (!reencrypting_ || keyslot.type != "reencrypt") {
      part.Refuse("is of type " + Quoted(keyslot.type) + ", not luks2");
      return;
    }
    part.Unknown(keyslot.unknown);
    if (keyslot.mode != "reencrypt") {
      part.Refuse("has the mode " + Quoted(keyslot.mode) + ": data are or become plain");
    }
    if (!OneOf(keyslot.direction, {"forward", "backward"})) {
      part.Refuse("has the direction " + Quoted(keyslot.direction));
    }
    if (!OneOf(keyslot.area.type, {"none", "checksum", "journal"}) || keyslot.af || keyslot.kdf) {
      part.Refuse("has an area of type " + Quoted(keyslot.area.type));
    }
    if (!InRoom(keyslot.area)) part.Refuse("has an area that is not where keyslots are");
  }

  void OneDigest(std::uint32_t number, const Luks2Digest& digest) {
    const Part part(findings_, "HEADER_DIGEST_REFUSED", "digest " + std::to_string(number));
    part.Unknown(digest.unknown);
    if (digest.type != "pbkdf2") {
      part.Refuse("is of type " + Quoted(digest.type) + ", not pbkdf2");
      return;
    }
    if (HashSize(digest.hash) == 0) {
      part.Refuse("is made with " + Quoted(digest.hash));
    } else if (digest.digest.size() != HashSize(digest.hash)) {
      part.Refuse("has " + std::to_string(digest.digest.size()) + " bytes");
    }
    if (!Between(digest.iterations, kMinIterations, kMaxIterations)) {
      part.Refuse("is made in " + std::to_string(digest.iterations) + " iterations");
    }
    if (!Between(digest.salt.size(), kMinSalt, kMaxSalt)) {
      part.Refuse("has a salt of " + std::to_string(digest.salt.size()) + " bytes");
    }
    for (const std::uint32_t keyslot : digest.keyslots) {
      if (metadata_.keyslots.contains(keyslot)) continue;
      part.Refuse("is for keyslot " + std::to_string(keyslot) + ", which is not there");
    }
    for (const std::uint32_t segment : digest.segments) {
      if (metadata_.segments.contains(segment)) continue;
      part.Refuse("is for segment " + std::to_string(segment) + ", which is not there");
    }
  }

  // A key without digest is taken for the volume's whatever it is; one with two has two meanings.
  void Assignments() {
    const auto digests_of = [&](std::uint32_t number, auto list) {
      return std::ranges::count_if(metadata_.digests, [&](const auto& entry) {
        return std::ranges::count(entry.second.*list, number) != 0;
      });
    };
    for (const auto& [number, keyslot] : metadata_.keyslots) {
      const auto count = digests_of(number, &Luks2Digest::keyslots);
      if (count == 1) continue;
      Part(findings_, "HEADER_KEYSLOT_REFUSED", "keyslot " + std::to_string(number))
          .Refuse("has " + std::to_string(count) + " digests instead of one");
    }
    for (const auto& [number, segment] : metadata_.segments) {
      const auto count = digests_of(number, &Luks2Digest::segments);
      // A part that is being re-encrypted belongs to the key before and to the key after.
      const auto expected = HasFlag(segment, "in-reencryption") ? 2 : 1;
      if (count == 1 || count == expected) continue;
      Part(findings_, "HEADER_SEGMENT_REFUSED", "segment " + std::to_string(number))
          .Refuse("has " + std::to_string(count) + " digests instead of one");
    }
    const std::size_t most = reencrypting_ ? 3 : 1;
    if (metadata_.digests.empty() || metadata_.digests.size() > most) {
      Whole("HEADER_DIGEST_REFUSED")
          .Refuse("has " + std::to_string(metadata_.digests.size()) + " digests");
    }
  }

  void Config() {
    const Part part(findings_, "HEADER_CONFIG_REFUSED", "the header's config");
    part.Unknown(metadata_.config.unknown);
    if (metadata_.config.keyslots_size > kMaxKeyslots) {
      part.Refuse("has room for keyslots of more than 128 MiB");
    }
    for (const std::string& flag : metadata_.config.flags) {
      if (OneOf(flag, {"allow-discards", "same-cpu-crypt", "submit-from-crypt-cpus",
                       "no-read-workqueue", "no-write-workqueue"})) {
        continue;
      }
      part.Refuse("has the flag " + Quoted(flag));
    }
    for (const std::string& requirement : metadata_.config.requirements) {
      if (reencrypting_ && requirement == kReencryptRequirement) continue;
      part.Refuse("HEADER_REQUIREMENT_REFUSED", "requires " + Quoted(requirement));
    }
  }

  const Luks2Header& header_;
  const Luks2Metadata& metadata_;
  const bool reencrypting_;
  std::vector<HeaderFinding> findings_;
};

}  // namespace

bool IsReencrypting(const Luks2Metadata& metadata) {
  return std::ranges::any_of(metadata.keyslots,
                             [](const auto& entry) { return entry.second.type == "reencrypt"; }) ||
         std::ranges::any_of(metadata.config.requirements, [](const std::string& requirement) {
           return requirement.starts_with("online-reencrypt");
         });
}

std::vector<HeaderFinding> JudgeHeader(const Luks2Header& header, Reencryption reencryption) {
  const bool under_way = IsReencrypting(header.metadata);
  if (under_way && reencryption == Reencryption::kUnexpected) {
    // Each part of it would be told as well; what matters is what is to be done.
    return {{"HEADER_REENCRYPTION_UNEXPECTED",
             "the header says that the volume is being re-encrypted: go on with that first, if it "
             "was begun here; if it was not, somebody has changed the header"}};
  }
  return Judge(header, under_way).Findings();
}

Status ToStatus(const std::vector<HeaderFinding>& findings) {
  if (findings.empty()) return {};
  std::string all;
  for (const HeaderFinding& finding : findings) {
    all += (all.empty() ? "" : "; ") + finding.message;
  }
  return Fail(Code::kPermissionDenied, findings.front().reason, all);
}

}  // namespace seaworthy::volumes
