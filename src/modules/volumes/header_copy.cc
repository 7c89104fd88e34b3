#include "seaworthy/modules/volumes/header_copy.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "modules/volumes/extent.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

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

Result<UniqueFd> OpenDevice(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) return FromErrno(errno, path);
  return fd;
}

}  // namespace

Result<HeaderCopy> HeaderCopy::Take(const std::string& path, Reencryption reencryption) {
  ASSIGN_OR_RETURN(const UniqueFd device, OpenDevice(path, O_RDONLY));
  const Result<Luks2Header> read = ReadLuks2Header(device.get());
  RETURN_IF_ERROR(Wrap(read.status(), path));
  const Luks2Header& found = *read;
  RETURN_IF_ERROR(Wrap(ToStatus(JudgeHeader(found, reencryption)), path));
  UniqueFd copy(memfd_create("luks2-header", MFD_CLOEXEC));
  if (!copy) return FromErrno(errno, "memfd_create");
  if (ftruncate(copy.get(), static_cast<off_t>(Room(found).end())) != 0) {
    return FromErrno(errno, "ftruncate of a header's copy");
  }
  std::vector<Extent> parts = {Primary(found), Secondary(found)};
  for (const auto& [number, keyslot] : found.metadata.keyslots) parts.push_back(AreaOf(keyslot));
  for (const Extent& part : parts) {
    RETURN_IF_ERROR(Wrap(Copy(device.get(), copy.get(), part), path));
  }
  // What counts is the copy: the device may have been written to meanwhile.
  ASSIGN_OR_RETURN(Luks2Header header, ReadLuks2Header(copy.get()));
  RETURN_IF_ERROR(SameMetadata(found.metadata, header.metadata));
  return HeaderCopy(path, std::move(copy), std::move(header));
}

std::string HeaderCopy::path() const { return "/proc/self/fd/" + std::to_string(copy_.get()); }

Result<Luks> HeaderCopy::OpenAlone() const { return Luks::Open(path(), "", device_); }

Result<Luks> HeaderCopy::OpenVolume() const { return Luks::Open(device_, path()); }

Status HeaderCopy::PutBack(Reencryption reencryption) {
  ASSIGN_OR_RETURN(const Luks2Header now, Now());
  RETURN_IF_ERROR(ToStatus(JudgeHeader(now, reencryption)));
  ASSIGN_OR_RETURN(const UniqueFd device, OpenDevice(device_, O_RDWR));
  return Wrap(WriteTo(device.get(), now), device_);
}

Status HeaderCopy::WriteTo(int device, const Luks2Header& now) {
  // Whoever else writes headers is kept out, as far as they ask: libcryptsetup does, of a file.
  if (flock(device, LOCK_EX | LOCK_NB) != 0) {
    return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", "is locked by somebody");
  }
  ASSIGN_OR_RETURN(const Luks2Header before, ReadLuks2Header(device));
  if (before.sequence != header_.sequence || before.uuid != header_.uuid ||
      before.size != now.size || !SameMetadata(header_.metadata, before.metadata).ok()) {
    return Fail(Code::kAborted, "HEADER_CHANGED", "somebody else has changed the header meanwhile");
  }
  for (const auto& [number, keyslot] : now.metadata.keyslots) {
    const Extent area = AreaOf(keyslot);
    ASSIGN_OR_RETURN(const bool same, Same(device, copy_.get(), area));
    if (same) continue;
    for (const auto& [other, old] : before.metadata.keyslots) {
      if (!AreaOf(old).Overlaps(area)) continue;
      return Fail(Code::kFailedPrecondition, "HEADER_AREA_REUSED",
                  "keyslot " + std::to_string(number) + " is where keyslot " +
                      std::to_string(other) + " still is");
    }
    RETURN_IF_ERROR(Copy(copy_.get(), device, area));
  }
  RETURN_IF_ERROR(Sync(device));
  for (const Extent& part : {Secondary(now), Primary(now)}) {
    RETURN_IF_ERROR(Copy(copy_.get(), device, part));
    RETURN_IF_ERROR(Sync(device));
  }
  header_ = now;
  for (const Extent& unused : Unused(now)) RETURN_IF_ERROR(Overwrite(device, unused));
  return Sync(device);
}

}  // namespace seaworthy::volumes
