#include "modules/volumes/signatures.h"

#include <blkid/blkid.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using ProbePtr = CPtr<blkid_struct_probe, blkid_free_probe>;

// More on one device would be somebody's joke.
constexpr int kMaxSignatures = 64;

Status BlkidFailed(const std::string& path) {
  return Fail(Code::kInternal, "SIGNATURE_PROBE", path + ": libblkid can't look for signatures");
}

Result<ProbePtr> NewProbe(int fd, const std::string& path) {
  ProbePtr probe(blkid_new_probe());
  if (!probe || blkid_probe_set_device(probe.get(), fd, 0, 0) != 0) return BlkidFailed(path);
  blkid_probe_enable_superblocks(probe.get(), 1);
  // With bad checksums too: a damaged file system is still somebody's.
  blkid_probe_set_superblocks_flags(probe.get(),
                                    BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
  blkid_probe_enable_partitions(probe.get(), 1);
  blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
  return probe;
}

std::string NameOf(blkid_probe probe) {
  const char* name = nullptr;
  if (blkid_probe_lookup_value(probe, "TYPE", &name, nullptr) == 0 ||
      blkid_probe_lookup_value(probe, "PTTYPE", &name, nullptr) == 0) {
    return name;
  }
  return "unknown";
}

}  // namespace

Result<std::vector<std::string>> ReadSignatures(int fd, const std::string& path) {
  ASSIGN_OR_RETURN(const ProbePtr probe, NewProbe(fd, path));
  std::vector<std::string> names;
  int rc = 0;
  while (names.size() < kMaxSignatures && (rc = blkid_do_probe(probe.get())) == 0) {
    names.push_back(NameOf(probe.get()));
  }
  if (rc < 0) return BlkidFailed(path);
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

Status WipeSignatures(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  if (!fd && errno == EBUSY) {
    return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", path + ": is in use");
  }
  if (!fd) return FromErrno(errno, "open " + path);
  ASSIGN_OR_RETURN(const ProbePtr probe, NewProbe(fd.get(), path));
  int rc = 0;
  for (int i = 0; i < kMaxSignatures && (rc = blkid_do_probe(probe.get())) == 0; ++i) {
    // Steps back, so that the next round finds another copy of it.
    if (blkid_do_wipe(probe.get(), 0) != 0) return BlkidFailed(path);
  }
  if (rc < 0) return BlkidFailed(path);
  if (fsync(fd.get()) != 0) return FromErrno(errno, "fsync " + path);
  return {};
}

}  // namespace seaworthy::volumes
