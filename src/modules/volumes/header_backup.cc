#include "seaworthy/modules/volumes/header_backup.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "modules/volumes/extent.h"
#include "modules/volumes/unused_device.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/envelope.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

ByteView PartOf(ByteView image, const Extent& extent) {
  return image.subspan(extent.offset, extent.size);
}

// What the image says, judged.
Result<Luks2Header> ReadImage(ByteView image) {
  const UniqueFd file(memfd_create("luks2-image", MFD_CLOEXEC));
  if (!file) return FromErrno(errno, "memfd_create");
  // No header that is taken is larger.
  RETURN_IF_ERROR(
      WriteAll(file.get(), 0, image.first(std::min(image.size(), kMaxEnvelopeContent))));
  Result<Luks2Header> header = ReadLuks2Header(file.get());
  if (!header.ok()) {
    // What would be the device's state is here what the caller gave.
    return Fail(Code::kInvalidArgument, Reason(header.status()),
                "the image: " + Message(header.status()));
  }
  RETURN_IF_ERROR(ToStatus(JudgeHeader(*header, Reencryption::kUnexpected)));
  const std::uint64_t end = Room(*header).end();
  if (image.size() < end) {
    return Fail(
        Code::kInvalidArgument, "HEADER_IMAGE_SHORT",
        "the image has " + std::to_string(image.size()) + " bytes of " + std::to_string(end));
  }
  for (const auto& [number, segment] : header->metadata.segments) {
    if (segment.offset >= end) continue;
    return Fail(Code::kInvalidArgument, "HEADER_DETACHED",
                "the image is of a header that is kept apart from its data, which it would "
                "overwrite");
  }
  return header;
}

Status CheckFits(const std::string& device, std::uint64_t bytes, const Luks2Header& header) {
  for (const auto& [number, segment] : header.metadata.segments) {
    const std::uint64_t data = segment.size.value_or(segment.sector_size);
    if (bytes >= data && segment.offset <= bytes - data) continue;
    return Fail(Code::kFailedPrecondition, "DEVICE_TOO_SMALL",
                device + ": has " + std::to_string(bytes) +
                    " bytes, and the volume of the image ends behind them");
  }
  return {};
}

// A volume keeps its digests as long as it keeps its key.
bool SameKeys(const Luks2Metadata& one, const Luks2Metadata& other) {
  return std::ranges::equal(one.digests, other.digests, [](const auto& a, const auto& b) {
    return a.second.salt == b.second.salt && a.second.digest == b.second.digest;
  });
}

// Empty: the image is of what is on the device.
std::string WhyOther(const Result<Luks2Header>& there, const Luks2Header& image) {
  if (!there.ok()) return "has no LUKS2 header";
  if (there->uuid != image.uuid) return "is volume " + there->uuid;
  if (!SameKeys(there->metadata, image.metadata)) return "has another volume key by now";
  return "";
}

bool IsDamaged(const Status& status) {
  return Reason(status) == "LUKS_HEADER_DAMAGED" || Reason(status) == "LUKS_HEADER_MALFORMED";
}

Status CheckVolume(const std::string& device, const Result<Luks2Header>& there,
                   const Luks2Header& image, bool over_other_volume) {
  if (there.status().code() == Code::kUnavailable) return there.status();
  if (over_other_volume || IsDamaged(there.status())) return {};
  const std::string why = WhyOther(there, image);
  if (why.empty()) return {};
  return Fail(Code::kFailedPrecondition, "OTHER_VOLUME",
              device + ": " + why + ", and the image is of volume " + image.uuid);
}

// First the keyslots, then one copy of the header after the other, that which counts last: there is
// always one that can be read.
Status WriteImage(int device, ByteView image, const Luks2Header& header, bool secondary_counts) {
  for (const auto& [number, keyslot] : header.metadata.keyslots) {
    const Extent area = AreaOf(keyslot);
    RETURN_IF_ERROR(WriteAll(device, area.offset, PartOf(image, area)));
  }
  RETURN_IF_ERROR(Sync(device));
  std::array<Extent, 2> copies = {Secondary(header), Primary(header)};
  if (secondary_counts) std::ranges::reverse(copies);
  for (const Extent& copy : copies) {
    RETURN_IF_ERROR(WriteAll(device, copy.offset, PartOf(image, copy)));
    RETURN_IF_ERROR(Sync(device));
  }
  for (const Extent& unused : Unused(header)) RETURN_IF_ERROR(Overwrite(device, unused));
  return Sync(device);
}

}  // namespace

Result<Bytes> HeaderImage(const HeaderCopy& copy) {
  Bytes image(Room(copy.header()).end());
  RETURN_IF_ERROR(ReadAll(copy.fd(), 0, image));
  return image;
}

Result<std::string> BackUpHeader(const HeaderCopy& copy, const std::string& certificates_pem) {
  ASSIGN_OR_RETURN(const Bytes image, HeaderImage(copy));
  return Envelop(image, certificates_pem);
}

Status RestoreHeader(const std::string& device, ByteView image, bool over_other_volume,
                     const std::string& root) {
  ASSIGN_OR_RETURN(const Luks2Header header, ReadImage(image));
  ASSIGN_OR_RETURN(const UnusedDevice unused, OpenUnused(device, root));
  RETURN_IF_ERROR(CheckNotMapped(header.uuid, root));
  RETURN_IF_ERROR(CheckFits(device, unused.bytes, header));
  const Result<Luks2Header> there = ReadLuks2Header(unused.fd.get());
  if (there.ok()) RETURN_IF_ERROR(CheckNotMapped(there->uuid, root));
  RETURN_IF_ERROR(CheckVolume(device, there, header, over_other_volume));
  return WriteImage(unused.fd.get(), image, header, there.ok() && there->secondary);
}

}  // namespace seaworthy::volumes
