#include "seaworthy/modules/volumes/header_copy.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t end() const { return offset + size; }
  bool Overlaps(const Extent& other) const { return offset < other.end() && other.offset < end(); }
};

Extent AreaOf(const Luks2Keyslot& keyslot) { return {keyslot.area.offset, keyslot.area.size}; }

// Both copies of the header, and the room for keyslots behind them: JudgeHeader has looked that
// each area lies in there.
Extent Primary(const Luks2Header& header) { return {0, header.size}; }
Extent Secondary(const Luks2Header& header) { return {header.size, header.size}; }
Extent Room(const Luks2Header& header) {
  return {2 * header.size, header.metadata.config.keyslots_size};
}

Status ReadAll(int fd, std::uint64_t offset, std::span<std::uint8_t> out) {
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t got =
        pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno(errno, "reading a header");
    if (got == 0) {
      return Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
                  "the device ends within the header");
    }
    done += static_cast<std::size_t>(got);
  }
  return {};
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

Status Copy(int from, int to, const Extent& extent) {
  Bytes piece(std::min<std::uint64_t>(kPiece, extent.size));
  for (std::uint64_t done = 0; done < extent.size; done += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), extent.size - done));
    RETURN_IF_ERROR(ReadAll(from, extent.offset + done, piece));
    RETURN_IF_ERROR(WriteAll(to, extent.offset + done, piece));
  }
  return {};
}

Result<bool> Same(int one, int other, const Extent& extent) {
  Bytes first(extent.size), second(extent.size);
  RETURN_IF_ERROR(ReadAll(one, extent.offset, first));
  RETURN_IF_ERROR(ReadAll(other, extent.offset, second));
  return first == second;
}

Status Sync(int fd) {
  if (fsync(fd) != 0) return FromErrno(errno, "fsync");
  return {};
}

// Random bytes, as LUKS has them where nothing is: zeros would tell where a keyslot was.
Status Overwrite(int fd, const Extent& extent) {
  Bytes piece(std::min<std::uint64_t>(kPiece, extent.size));
  for (std::uint64_t done = 0; done < extent.size; done += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), extent.size - done));
    for (std::size_t filled = 0; filled < piece.size();) {
      const ssize_t got = getrandom(piece.data() + filled, piece.size() - filled, 0);
      if (got < 0 && errno != EINTR) return FromErrno(errno, "getrandom");
      filled += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    }
    RETURN_IF_ERROR(WriteAll(fd, extent.offset + done, piece));
  }
  return {};
}

// What is left of the room.
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

Result<UniqueFd> OpenDevice(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) return FromErrno(errno, path);
  return fd;
}

}  // namespace

Result<HeaderCopy> HeaderCopy::Take(const std::string& path, Reencryption reencryption) {
  ASSIGN_OR_RETURN(const UniqueFd device, OpenDevice(path, O_RDONLY));
  ASSIGN_OR_RETURN(const Luks2Header found, ReadLuks2Header(device.get()));
  RETURN_IF_ERROR(ToStatus(JudgeHeader(found, reencryption)));
  UniqueFd copy(memfd_create("luks2-header", MFD_CLOEXEC));
  if (!copy) return FromErrno(errno, "memfd_create");
  if (ftruncate(copy.get(), static_cast<off_t>(Room(found).end())) != 0) {
    return FromErrno(errno, "ftruncate of a header's copy");
  }
  RETURN_IF_ERROR(Copy(device.get(), copy.get(), Primary(found)));
  RETURN_IF_ERROR(Copy(device.get(), copy.get(), Secondary(found)));
  for (const auto& [number, keyslot] : found.metadata.keyslots) {
    RETURN_IF_ERROR(Copy(device.get(), copy.get(), AreaOf(keyslot)));
  }
  // What counts is the copy: the device may have been written to meanwhile.
  ASSIGN_OR_RETURN(Luks2Header header, ReadLuks2Header(copy.get()));
  RETURN_IF_ERROR(SameMetadata(found.metadata, header.metadata));
  return HeaderCopy(path, std::move(copy), std::move(header));
}

std::string HeaderCopy::path() const { return "/proc/self/fd/" + std::to_string(copy_.get()); }

Result<Luks> HeaderCopy::OpenAlone() const { return Luks::Open(path()); }

Result<Luks> HeaderCopy::OpenVolume() const { return Luks::Open(device_, path()); }

Status HeaderCopy::PutBack() {
  ASSIGN_OR_RETURN(const Luks2Header now, Now());
  RETURN_IF_ERROR(ToStatus(JudgeHeader(now, Reencryption::kUnexpected)));
  ASSIGN_OR_RETURN(const UniqueFd device, OpenDevice(device_, O_RDWR));
  // Whoever else writes headers is kept out, as far as they ask: libcryptsetup does, of a file.
  if (flock(device.get(), LOCK_EX | LOCK_NB) != 0) {
    return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", device_ + ": is locked by somebody");
  }
  ASSIGN_OR_RETURN(const Luks2Header before, ReadLuks2Header(device.get()));
  if (before.sequence != header_.sequence || before.uuid != header_.uuid ||
      before.size != now.size || !SameMetadata(header_.metadata, before.metadata).ok()) {
    return Fail(Code::kAborted, "HEADER_CHANGED",
                device_ + ": somebody else has changed the header meanwhile");
  }
  for (const auto& [number, keyslot] : now.metadata.keyslots) {
    const Extent area = AreaOf(keyslot);
    ASSIGN_OR_RETURN(const bool same, Same(device.get(), copy_.get(), area));
    if (same) continue;
    for (const auto& [other, old] : before.metadata.keyslots) {
      if (!AreaOf(old).Overlaps(area)) continue;
      return Fail(Code::kFailedPrecondition, "HEADER_AREA_REUSED",
                  "keyslot " + std::to_string(number) + " is where keyslot " +
                      std::to_string(other) + " still is");
    }
    RETURN_IF_ERROR(Copy(copy_.get(), device.get(), area));
  }
  RETURN_IF_ERROR(Sync(device.get()));
  for (const Extent& part : {Secondary(now), Primary(now)}) {
    RETURN_IF_ERROR(Copy(copy_.get(), device.get(), part));
    RETURN_IF_ERROR(Sync(device.get()));
  }
  header_ = now;
  for (const Extent& unused : Unused(now)) RETURN_IF_ERROR(Overwrite(device.get(), unused));
  return Sync(device.get());
}

}  // namespace seaworthy::volumes
