#include "modules/volumes/unused_device.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/probe.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxDevices = 4096;

Status InUse(const std::string& what) {
  return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", what);
}

std::string FirstLine(const fs::path& file) {
  const Result<Bytes> text = ReadFile(file, kMaxText);
  return text.ok() ? std::string(AsText(*text).substr(0, AsText(*text).find('\n'))) : "";
}

}  // namespace

Result<UnusedDevice> OpenUnused(const std::string& device, const std::string& root) {
  ASSIGN_OR_RETURN(const DeviceState state, Probe(device, root));
  if (state.in_use) {
    std::string users;
    for (const std::string& user : state.users) users += (users.empty() ? " by " : ", ") + user;
    return InUse(device + ": is in use" + users);
  }
  // Of a block device for us alone: who mounts or maps it has to wait. A file knows locks only.
  UniqueFd fd(open(device.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  if (!fd && errno == EBUSY) return InUse(device + ": is in use");
  if (!fd) return FromErrno(errno, "open " + device);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return InUse(device + ": is locked by somebody");
  return UnusedDevice{std::move(fd), state.bytes};
}

Status CheckNotMapped(const std::string& uuid, const std::string& root) {
  // As libcryptsetup names mappings: "CRYPT-LUKS2-" and the UUID without dashes, then the name.
  std::string prefix = "CRYPT-LUKS2-" + uuid;
  prefix.erase(std::remove(prefix.begin() + 12, prefix.end(), '-'), prefix.end());
  prefix += '-';
  const fs::path devices = fs::path(root) / "sys/block";
  const Result<Directory> directory = Directory::Open(devices);
  if (!directory.ok()) return {};
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory->List(kMaxDevices));
  for (const std::string& name : names) {
    if (!FirstLine(devices / name / "dm/uuid").starts_with(prefix)) continue;
    return InUse("volume " + uuid + ": is mapped as " + FirstLine(devices / name / "dm/name"));
  }
  return {};
}

}  // namespace seaworthy::volumes
