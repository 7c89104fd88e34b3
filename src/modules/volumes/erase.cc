#include "seaworthy/modules/volumes/erase.h"

#include <algorithm>
#include <array>
#include <ranges>
#include <vector>

#include "modules/volumes/extent.h"
#include "modules/volumes/unused_device.h"
#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/luks2_header.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/counter.h"

namespace seaworthy::volumes {
namespace {

constexpr std::uint64_t kKiB = 1024;
// Two copies of a header of 4 MiB and 128 MiB for keyslots: no writer of LUKS2 makes more.
constexpr std::uint64_t kMost = 136 * kKiB * kKiB;
// The binary part of a header's copy, which begins with a magic.
constexpr std::uint64_t kBinarySize = 4096;
constexpr std::uint64_t kSmallestHeader = 16 * kKiB;
constexpr std::uint64_t kLargestHeader = 4096 * kKiB;

// What is to be overwritten, in this order.
struct Doomed {
  std::vector<Extent> keyslots;
  std::vector<Extent> metadata;
  std::vector<Extent> magics;  // what tells that a volume is here
};

Result<bool> HasMagic(int fd, std::uint64_t offset, std::string_view magic) {
  std::array<std::uint8_t, 6> begin{};
  RETURN_IF_ERROR(ReadAll(fd, offset, begin));
  return AsText(begin) == magic;
}

// Where copies of the header begin, whether they are good or not, the last one first.
Result<std::vector<Extent>> FindMagics(int fd, std::uint64_t end) {
  std::vector<Extent> magics;
  for (std::uint64_t at = kLargestHeader; at >= kSmallestHeader; at /= 2) {
    if (at + kBinarySize > end) continue;
    ASSIGN_OR_RETURN(const bool found, HasMagic(fd, at, "SKUL\xba\xbe"));
    if (found) magics.push_back({at, kBinarySize});
  }
  magics.push_back({0, std::min(kBinarySize, end)});
  return magics;
}

// What of the extent is none of the magics', which come last one first.
std::vector<Extent> Without(const std::vector<Extent>& magics, std::uint64_t from,
                            std::uint64_t to) {
  std::vector<Extent> rest;
  for (const Extent& magic : std::views::reverse(magics)) {
    if (magic.end() <= from || magic.offset >= to) continue;
    if (magic.offset > from) rest.push_back({from, magic.offset - from});
    from = magic.end();
  }
  if (from < to) rest.push_back({from, to - from});
  return rest;
}

// The sizes are foreign: no sum of them wraps.
std::uint64_t EndOf(std::uint64_t offset, std::uint64_t size) {
  return offset >= kMost || size >= kMost - offset ? kMost : offset + size;
}

// All that lies before the data.
std::uint64_t EndOf(const Luks2Header& header) {
  std::uint64_t end = EndOf(2 * header.size, header.metadata.config.keyslots_size);
  for (const auto& [number, keyslot] : header.metadata.keyslots) {
    end = std::max(end, EndOf(keyslot.area.offset, keyslot.area.size));
  }
  std::uint64_t data = header.metadata.segments.empty() ? 0 : kMost;
  for (const auto& [number, segment] : header.metadata.segments) {
    data = std::min(data, segment.offset);
  }
  return std::max(end, data);
}

Result<Doomed> FindDoomed(int fd, std::uint64_t bytes, const Result<Luks2Header>& header) {
  const std::uint64_t end = std::min(bytes, header.ok() ? EndOf(*header) : kMost);
  const std::uint64_t keyslots = std::min(end, 2 * (header.ok() ? header->size : kSmallestHeader));
  Doomed doomed;
  ASSIGN_OR_RETURN(doomed.magics, FindMagics(fd, end));
  doomed.keyslots = Without(doomed.magics, keyslots, end);
  doomed.metadata = Without(doomed.magics, 0, keyslots);
  return doomed;
}

Status OverwriteAll(int fd, const std::vector<Extent>& extents) {
  for (const Extent& extent : extents) RETURN_IF_ERROR(Overwrite(fd, extent));
  return Sync(fd);
}

Status DeleteCounterOf(tpm::Broker& broker, Deadline deadline, const Luks2Header& header) {
  const Result<GuardRecord> record = FindGuard(header.metadata);
  if (!record.ok() || !tpm::IsCounterIndex(record->nv_index)) return {};
  const Status status = broker.Run(deadline, [&](tpm::Context& context) {
    return tpm::DeleteCounter(context, record->nv_index);
  });
  // What is not there, or is somebody else's, is none of this volume's.
  if (Reason(status) == "COUNTER_UNDEFINED" || Reason(status) == "COUNTER_REPLACED") return {};
  return status;
}

}  // namespace

Status EraseVolume(tpm::Broker& broker, Deadline deadline, const std::string& device,
                   const std::string& root) {
  ASSIGN_OR_RETURN(const UnusedDevice unused, OpenUnused(device, root));
  const int fd = unused.fd.get();
  const Result<Luks2Header> header = ReadLuks2Header(fd);
  if (Reason(header.status()) == "NOT_LUKS" || header.status().code() == Code::kUnavailable) {
    return Wrap(header.status(), device);
  }
  if (header.ok()) RETURN_IF_ERROR(CheckNotMapped(header->uuid, root));
  ASSIGN_OR_RETURN(const Doomed doomed, FindDoomed(fd, unused.bytes, header));
  RETURN_IF_ERROR(OverwriteAll(fd, doomed.keyslots));
  // While there is a record that names it. A TPM that does not answer keeps no volume alive.
  const Status counter = header.ok() ? DeleteCounterOf(broker, deadline, *header) : Status();
  RETURN_IF_ERROR(OverwriteAll(fd, doomed.metadata));
  for (const Extent& magic : doomed.magics) RETURN_IF_ERROR(OverwriteAll(fd, {magic}));
  return Wrap(counter, device + ": is erased, but its counter stays in the TPM");
}

}  // namespace seaworthy::volumes
