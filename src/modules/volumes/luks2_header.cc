#include "seaworthy/modules/volumes/luks2_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "modules/volumes/crypto.h"
#include "modules/volumes/extent.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kBinarySize = 4096;
constexpr std::uint64_t kMinSize = 16 * 1024;
constexpr std::uint64_t kMaxSize = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxArea = 4 * 1024 * 1024;
constexpr std::size_t kPiece = 64 * 1024;

constexpr std::string_view kMagic = "LUKS\xba\xbe";
constexpr std::string_view kSecondMagic = "SKUL\xba\xbe";
constexpr std::uint64_t kVersion = 2;

// Where the fields of the binary part are, and how long.
struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field kVersionField = {6, 2};
constexpr Field kSizeField = {8, 8};
constexpr Field kSequenceField = {16, 8};
constexpr Field kLabelField = {24, 48};
constexpr Field kHashField = {72, 32};
constexpr Field kUuidField = {168, 40};
constexpr Field kSubsystemField = {208, 48};
constexpr Field kOffsetField = {256, 8};
constexpr Field kChecksumField = {448, 64};

std::uint64_t Number(ByteView binary, Field field) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : binary.subspan(field.offset, field.size))
    value = value << 8 | byte;
  return value;
}

// To the first NUL; the last byte is one whatever it holds, as libcryptsetup takes it.
std::string Text(ByteView binary, Field field) {
  const std::string_view text = AsText(binary.subspan(field.offset, field.size - 1));
  return std::string(text.substr(0, text.find('\0')));
}

struct Copy {
  Luks2Header header;
  std::string unusable;  // why libcryptsetup would not use it
  bool has_magic = false;
};

std::string CopyName(bool secondary) {
  return secondary ? "the secondary copy of the header" : "the primary copy of the header";
}

Status Malformed(bool secondary, std::string_view what) {
  return Fail(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED",
              CopyName(secondary) + " " + std::string(what));
}

// The JSON up to the first NUL; all behind it is NUL, as libcryptsetup wants it.
Result<std::string_view> JsonText(ByteView area, bool secondary) {
  const std::string_view text = AsText(area);
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return Malformed(secondary, "has JSON without an end");
  if (text.find_first_not_of('\0', end) != std::string_view::npos) {
    return Malformed(secondary, "has something behind its JSON");
  }
  if (!text.starts_with('{')) return Malformed(secondary, "has JSON that begins with no brace");
  return text.substr(0, end);
}

Result<bool> ChecksumIsRight(Bytes& whole) {
  const auto field = std::span(whole).subspan(kChecksumField.offset, kChecksumField.size);
  const Bytes written(field.begin(), field.begin() + kSha256Size);
  // It was made while the field was zero.
  std::ranges::fill(field, std::uint8_t{0});
  ASSIGN_OR_RETURN(const Bytes made, Sha256Of(whole));
  return made == written;
}

// What libcryptsetup looks at before it reads the JSON; empty: nothing is wrong.
std::string WhyNoCopy(ByteView binary, std::uint64_t offset, bool secondary) {
  const std::string_view magic = secondary ? kSecondMagic : kMagic;
  if (!AsText(binary).starts_with(magic)) return "has no magic";
  if (Number(binary, kVersionField) != kVersion) return "has another version than 2";
  if (Number(binary, kOffsetField) != offset) return "says that it belongs to another place";
  if (secondary && Number(binary, kSizeField) != offset) return "has another size than its place";
  return "";
}

Result<Copy> ReadCopy(int fd, std::uint64_t offset, bool secondary) {
  Copy copy;
  Bytes whole(kBinarySize);
  ASSIGN_OR_RETURN(const std::size_t got, ReadAt(fd, offset, whole));
  if (got != whole.size()) {
    copy.unusable = "ends behind the device";
    return copy;
  }
  copy.has_magic = AsText(whole).starts_with(secondary ? kSecondMagic : kMagic);
  copy.unusable = WhyNoCopy(whole, offset, secondary);
  if (!copy.unusable.empty()) return copy;
  Luks2Header& header = copy.header;
  header.secondary = secondary;
  header.size = Number(whole, kSizeField);
  header.sequence = Number(whole, kSequenceField);
  header.label = Text(whole, kLabelField);
  header.subsystem = Text(whole, kSubsystemField);
  header.uuid = Text(whole, kUuidField);
  // From here on another reader might take what we do not: no falling back to the other copy.
  if (header.size < kMinSize || header.size > kMaxSize || (header.size & (header.size - 1)) != 0) {
    return Malformed(secondary, "has a size that LUKS2 does not have");
  }
  if (const std::string hash = Text(whole, kHashField); hash != "sha256") {
    return Malformed(secondary, "has a checksum by " + Quoted(hash) + ", not sha256");
  }
  whole.resize(header.size);
  ASSIGN_OR_RETURN(const std::size_t all, ReadAt(fd, offset, whole));
  if (all != whole.size()) {
    copy.unusable = "ends behind the device";
    return copy;
  }
  ASSIGN_OR_RETURN(const bool right, ChecksumIsRight(whole));
  if (!right) {
    copy.unusable = "has a wrong checksum";
    return copy;
  }
  ASSIGN_OR_RETURN(const std::string_view text,
                   JsonText(ByteView(whole).subspan(kBinarySize), secondary));
  Result<Luks2Metadata> metadata = ParseLuks2Metadata(text);
  if (!metadata.ok()) return Wrap(metadata.status(), CopyName(secondary));
  if (metadata->config.json_size != header.size - kBinarySize) {
    return Malformed(secondary, "has a json_size that is not the one of its binary part");
  }
  header.metadata = *std::move(metadata);
  return copy;
}

// With a primary copy that is of no use, its size is not known either: libcryptsetup tries them in
// this order and takes the first that is whole.
Result<Copy> FindSecondary(int fd) {
  Copy found;
  found.unusable = "is nowhere";
  for (std::uint64_t offset = kMinSize; offset <= kMaxSize; offset *= 2) {
    ASSIGN_OR_RETURN(Copy copy, ReadCopy(fd, offset, true));
    if (copy.unusable.empty()) return copy;
    if (copy.has_magic && !found.has_magic) found = std::move(copy);
  }
  return found;
}

Status CheckVersion(int fd) {
  std::array<std::uint8_t, kVersionField.offset + kVersionField.size> begin{};
  ASSIGN_OR_RETURN(const std::size_t got, ReadAt(fd, 0, begin));
  if (got != begin.size() || !AsText(begin).starts_with(kMagic)) return {};
  const std::uint64_t version = Number(begin, kVersionField);
  if (version == 1) {
    return Fail(Code::kFailedPrecondition, "LUKS1_HEADER",
                "the volume has a header of LUKS1, which cannot hold tokens: convert it "
                "(cryptsetup convert --type luks2)");
  }
  if (version != kVersion) {
    return Fail(Code::kFailedPrecondition, "LUKS_VERSION_UNKNOWN",
                "the header has version " + std::to_string(version) + ", and 2 is what is known");
  }
  return {};
}

bool SaysTheSame(const Luks2Header& one, const Luks2Header& other) {
  return one.uuid == other.uuid && one.label == other.label && one.subsystem == other.subsystem &&
         SameMetadata(one.metadata, other.metadata).ok();
}

Luks2Header NewerOf(Luks2Header primary, Luks2Header secondary) {
  const bool second_is_newer = secondary.sequence > primary.sequence;
  Luks2Header& used = second_is_newer ? secondary : primary;
  const Luks2Header& other = second_is_newer ? primary : secondary;
  if (used.sequence != other.sequence) {
    used.other_copy = CopyName(other.secondary) + " is older: its sequence number is " +
                      std::to_string(other.sequence) + ", not " + std::to_string(used.sequence);
  } else if (!SaysTheSame(used, other)) {
    used.other_copy = CopyName(other.secondary) + " has the same sequence number, " +
                      std::to_string(used.sequence) + ", and says something else";
    used.contradictory = true;
  }
  return std::move(used);
}

}  // namespace

Result<Luks2Header> ReadLuks2Header(int fd) {
  RETURN_IF_ERROR(CheckVersion(fd));
  ASSIGN_OR_RETURN(Copy primary, ReadCopy(fd, 0, false));
  const bool first = primary.unusable.empty();
  ASSIGN_OR_RETURN(Copy secondary,
                   first ? ReadCopy(fd, primary.header.size, true) : FindSecondary(fd));
  const bool second = secondary.unusable.empty();
  if (first && second) return NewerOf(std::move(primary.header), std::move(secondary.header));
  if (first) {
    primary.header.other_copy = CopyName(true) + " " + secondary.unusable;
    return std::move(primary.header);
  }
  if (second) {
    secondary.header.other_copy = CopyName(false) + " " + primary.unusable;
    return std::move(secondary.header);
  }
  if (!primary.has_magic && !secondary.has_magic) {
    return Fail(Code::kNotFound, "NOT_LUKS", "there is no header of LUKS");
  }
  return Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
              CopyName(false) + " " + primary.unusable + ", " + CopyName(true) + " " +
                  secondary.unusable + ": restore a backup of the header");
}

Result<KeyslotAreaDigests> DigestKeyslotAreas(int fd, const Luks2Metadata& metadata) {
  KeyslotAreaDigests digests;
  Bytes piece(kPiece);
  for (const auto& [number, keyslot] : metadata.keyslots) {
    // What a re-encryption keeps changes with every step of it.
    if (keyslot.type != "luks2") continue;
    const auto unreadable = [&](std::string_view what) {
      return Fail(Code::kFailedPrecondition, "LUKS_AREA_UNREADABLE",
                  "the area of keyslot " + std::to_string(number) + " " + std::string(what));
    };
    if (keyslot.area.size > kMaxArea) return unreadable("is larger than 4 MiB");
    Sha256 hash;
    for (std::uint64_t done = 0; done < keyslot.area.size;) {
      const std::size_t size = std::min<std::uint64_t>(kPiece, keyslot.area.size - done);
      if (keyslot.area.offset > std::numeric_limits<std::uint64_t>::max() - kMaxArea) {
        return unreadable("ends behind the device");
      }
      ASSIGN_OR_RETURN(const std::size_t got,
                       ReadAt(fd, keyslot.area.offset + done, std::span(piece).first(size)));
      if (got != size) return unreadable("ends behind the device");
      hash.Add(std::span(piece).first(size));
      done += size;
    }
    ASSIGN_OR_RETURN(digests[number], hash.Finish());
  }
  return digests;
}

}  // namespace seaworthy::volumes
