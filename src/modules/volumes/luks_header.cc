#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "modules/volumes/crypt_device.h"
#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

Status MakeDurable(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return FromErrno(errno, "open " + path);
  if (fchmod(fd.get(), 0600) != 0) return FromErrno(errno, "chmod " + path);
  if (fsync(fd.get()) != 0) return FromErrno(errno, "fsync " + path);
  return {};
}

}  // namespace

Status Luks::BackUpHeader(const std::string& file) const {
  const std::filesystem::path target(file);
  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
  ASSIGN_OR_RETURN(const Directory directory, Directory::Open(parent));
  const std::string name = target.filename();
  if (directory.Exists(name)) {
    return Fail(Code::kAlreadyExists, "FILE_EXISTS", file + ": is there already");
  }
  // Of the volume: a name that an earlier backup of it, killed, may have left.
  const std::string temporary = ".tmp-header-" + uuid();
  if (directory.Exists(temporary)) RETURN_IF_ERROR(directory.Remove(temporary));
  const std::string temporary_path = parent / temporary;
  Status status =
      device_
          ->Call("back up the header",
                 [&](crypt_device* handle) {
                   return crypt_header_backup(handle, CRYPT_LUKS2, temporary_path.c_str());
                 })
          .status();
  if (status.ok()) status = MakeDurable(temporary_path);
  if (status.ok()) status = directory.Rename(temporary, name);
  if (!status.ok() && directory.Exists(temporary)) {
    const Status removed = directory.Remove(temporary);
    if (!removed.ok()) Log(Level::kWarning, Message(removed));
  }
  return status;
}

Status Luks::RestoreHeader(const std::string& path, const std::string& file,
                           bool over_other_volume) {
  ASSIGN_OR_RETURN(const Luks backup, Open(file));
  const Result<Luks> volume = Open(path);
  const bool damaged = Reason(volume.status()) == "LUKS_HEADER_DAMAGED";
  const bool same = volume.ok() && volume->uuid() == backup.uuid();
  if (!volume.ok() && volume.status().code() != Code::kFailedPrecondition) return volume.status();
  if (!damaged && !same && !over_other_volume) {
    const std::string there = volume.ok() ? "is volume " + volume->uuid() : "has no LUKS2 header";
    return Fail(Code::kFailedPrecondition, "OTHER_VOLUME",
                path + ": " + there + ", and the backup is of volume " + backup.uuid());
  }
  ASSIGN_OR_RETURN(const auto device, CryptDevice::Create(path, ""));
  return device
      ->Call("restore the header",
             [&](crypt_device* handle) {
               return crypt_header_restore(handle, CRYPT_LUKS2, file.c_str());
             })
      .status();
}

Status Luks::WipeHeader() {
  RETURN_IF_ERROR(EraseKeyslots());
  std::uint64_t metadata = 0;
  std::uint64_t keyslots = 0;
  const auto call = [&](auto function) { return device_->Call("wipe the header", function); };
  RETURN_IF_ERROR(call([&](crypt_device* handle) {
                    return crypt_get_metadata_size(handle, &metadata, &keyslots);
                  }).status());
  return call([&](crypt_device* handle) {
           return crypt_wipe(handle, device_->header_path().c_str(), CRYPT_WIPE_RANDOM, 0,
                             2 * metadata + keyslots, std::size_t{1} << 20, 0, nullptr, nullptr);
         })
      .status();
}

}  // namespace seaworthy::volumes
