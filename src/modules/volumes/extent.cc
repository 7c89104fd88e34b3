#include "modules/volumes/extent.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <system_error>

#include "modules/volumes/crypto.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

Extent Primary(const Luks2Header& header) { return {0, header.size}; }

Extent Secondary(const Luks2Header& header) { return {header.size, header.size}; }

Extent Room(const Luks2Header& header) {
  return {2 * header.size, header.metadata.config.keyslots_size};
}

Extent AreaOf(const Luks2Keyslot& keyslot) { return {keyslot.area.offset, keyslot.area.size}; }

std::vector<Extent> Unused(const Luks2Header& header) {
  std::vector<Extent> used;
  for (const auto& [number, keyslot] : header.metadata.keyslots) used.push_back(AreaOf(keyslot));
  std::ranges::sort(used, {}, &Extent::offset);
  const Extent room = Room(header);
  std::vector<Extent> unused;
  std::uint64_t at = room.offset;
  for (const Extent& extent : used) {
    if (extent.offset > at) unused.push_back({at, extent.offset - at});
    at = std::max(at, extent.end());
  }
  if (room.end() > at) unused.push_back({at, room.end() - at});
  return unused;
}

Result<std::size_t> ReadAt(int fd, std::uint64_t offset, std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()) - out.size()) break;
    const ssize_t got =
        pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return Fail(Code::kUnavailable, "READ_FAILED",
                  "reading the header at " + std::to_string(offset) + ": " +
                      std::generic_category().message(errno));
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status ReadAll(int fd, std::uint64_t offset, std::span<std::uint8_t> out) {
  ASSIGN_OR_RETURN(const std::size_t got, ReadAt(fd, offset, out));
  if (got == out.size()) return {};
  return Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
              "the device ends within the header");
}

Status WriteAll(int fd, std::uint64_t offset, ByteView bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t put =
        pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return FromErrno(errno, "writing a header");
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Status Overwrite(int fd, const Extent& extent) {
  Bytes piece(std::min<std::uint64_t>(kPiece, extent.size));
  for (std::uint64_t done = 0; done < extent.size; done += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), extent.size - done));
    RETURN_IF_ERROR(FillRandom(piece));
    RETURN_IF_ERROR(WriteAll(fd, extent.offset + done, piece));
  }
  return {};
}

Status Sync(int fd) {
  if (fsync(fd) != 0) return FromErrno(errno, "fsync");
  return {};
}

}  // namespace seaworthy::volumes
