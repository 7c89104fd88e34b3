#include "seaworthy/modules/integrity/file_conditions.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

// What file systems are asked for the UUID in their superblock, the one that IMA compares. All but
// btrfs's are missing in the headers of Debian 12; they are the kernel's ABI.

// Any, since Linux 6.9: FS_IOC_GETFSUUID.
struct AnyUuid {
  std::uint8_t size;
  std::uint8_t uuid[16];
};
// ext2, ext3 and ext4, since Linux 6.0: EXT4_IOC_GETFSUUID.
struct Ext4Uuid {
  std::uint32_t size;
  std::uint32_t flags;
  std::uint8_t uuid[16];
};
constexpr std::size_t kExt4Header = 8;
// XFS_IOC_FSGEOMETRY_V1.
struct XfsGeometry {
  std::uint32_t sizes[8];
  std::uint64_t blocks[4];
  std::uint8_t uuid[16];
  std::uint32_t more[8];
};
static_assert(sizeof(XfsGeometry) == 112);

constexpr unsigned long kAnyUuid = _IOR(0x15, 0, AnyUuid);
constexpr unsigned long kExt4Uuid = _IOC(_IOC_READ, 'f', 44, kExt4Header);
constexpr unsigned long kXfsGeometry = _IOR('X', 100, XfsGeometry);
// Not told apart from another ioctl of the same number: asked of these file systems alone.
constexpr std::uint64_t kExt4Magic = 0xef53;
constexpr std::uint64_t kXfsMagic = 0x58465342;
constexpr std::uint64_t kBtrfsMagic = 0x9123683e;

constexpr std::size_t kMaxLabel = 4096;

FsUuid AsUuid(const std::uint8_t (&bytes)[16]) {
  FsUuid uuid = {};
  std::ranges::copy(bytes, uuid.begin());
  return uuid;
}

FsUuid UuidOf(int fd, std::uint64_t magic) {
  AnyUuid any = {};
  if (ioctl(fd, kAnyUuid, &any) == 0) return any.size == 16 ? AsUuid(any.uuid) : FsUuid{};
  if (magic == kExt4Magic) {
    Ext4Uuid ext4 = {.size = 16, .flags = 0, .uuid = {}};
    if (ioctl(fd, kExt4Uuid, &ext4) == 0) return AsUuid(ext4.uuid);
  }
  if (magic == kXfsMagic) {
    XfsGeometry xfs = {};
    if (ioctl(fd, kXfsGeometry, &xfs) == 0) return AsUuid(xfs.uuid);
  }
  if (magic == kBtrfsMagic) {
    btrfs_ioctl_fs_info_args btrfs = {};
    if (ioctl(fd, BTRFS_IOC_FS_INFO, &btrfs) == 0) return AsUuid(btrfs.fsid);
  }
  return {};
}

// "27 1 254:0 / / rw - ext4 /dev/vda rw": the word behind the hyphen of the mount's line. fuse
// tells a second name behind a dot, which the kernel's rules do not know.
std::string NameOf(std::uint64_t mount) {
  std::ifstream table("/proc/self/mountinfo");
  const std::string begin = std::to_string(mount) + " ";
  for (std::string line; std::getline(table, line);) {
    const std::size_t hyphen = line.find(" - ");
    if (!line.starts_with(begin) || hyphen == std::string::npos) continue;
    const std::string name = line.substr(hyphen + 3, line.find(' ', hyphen + 3) - hyphen - 3);
    return name.substr(0, name.find('.'));
  }
  return "";
}

}  // namespace

Result<FileConditions::FileSystem> FileConditions::Look(int fd, std::uint64_t mount) {
  struct statfs stat = {};
  if (fstatfs(fd, &stat) != 0) return FromErrno(errno, "statfs");
  FileSystem system;
  system.magic = static_cast<std::uint64_t>(stat.f_type);
  system.uuid = UuidOf(fd, system.magic);
  system.name = NameOf(mount);
  return system;
}

Result<ImaAccess> FileConditions::Of(int fd) {
  struct statx stat = {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stat) != 0) {
    return FromErrno(errno, "stat");
  }
  auto known = by_mount_.find(stat.stx_mnt_id);
  if (known == by_mount_.end()) {
    ASSIGN_OR_RETURN(FileSystem system, Look(fd, stat.stx_mnt_id));
    known = by_mount_.emplace(stat.stx_mnt_id, std::move(system)).first;
  }
  const FileSystem& system = known->second;
  ImaAccess access;
  access.fsmagic = system.magic;
  access.fsuuid = system.uuid;
  access.fsname = system.name;
  access.fowner = stat.stx_uid;
  access.fgroup = stat.stx_gid;
  if (selinux_) access.object = SelinuxLabel(fd);
  return access;
}

std::string SelinuxLabel(int fd) {
  char label[kMaxLabel] = {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = getxattr(path.c_str(), "security.selinux", label, sizeof(label));
  return {label, size > 0 ? strnlen(label, static_cast<std::size_t>(size)) : 0};
}

std::string_view SelinuxType(std::string_view label) {
  for (int colons = 0; colons < 2; ++colons) {
    const std::size_t colon = label.find(':');
    if (colon == std::string_view::npos) return {};
    label.remove_prefix(colon + 1);
  }
  const std::string_view type = label.substr(0, label.find(':'));
  const auto can_be_named = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  return std::ranges::all_of(type, can_be_named) ? type : std::string_view();
}

bool HasSelinux(const std::string& root) {
  struct stat stat = {};
  return ::stat((root + "/sys/fs/selinux/enforce").c_str(), &stat) == 0;
}

}  // namespace seaworthy::integrity
