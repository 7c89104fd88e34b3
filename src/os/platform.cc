#include "seaworthy/os/platform.h"

#include <algorithm>
#include <cctype>

#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"

namespace seaworthy::os {
namespace {

namespace fs = std::filesystem;

// Files of sysfs and securityfs that hold a number or a word.
constexpr std::size_t kMaxWord = 64;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// The file's content without the end of line; empty when it can't be read.
std::string Word(const fs::path& path) {
  const Result<Bytes> content = ReadFile(path.string(), kMaxWord);
  if (!content.ok()) return {};
  std::string word(AsText(*content));
  while (!word.empty() && std::isspace(static_cast<unsigned char>(word.back())) != 0) {
    word.pop_back();
  }
  return word;
}

Facility Ima(const fs::path& root) {
  const fs::path ima = root / "sys/kernel/security/ima";
  if (!Exists(ima / "binary_runtime_measurements")) {
    return {"ima", false,
            "the kernel has no IMA measurement list: built without it, or securityfs is not "
            "mounted"};
  }
  const std::string count = Word(ima / "runtime_measurements_count");
  // The first entry, boot_aggregate, is there without any policy.
  if (count == "0" || count == "1") {
    return {"ima", true, "the kernel measures nothing yet: no policy is loaded"};
  }
  return {"ima", true,
          count.empty() ? "the kernel keeps a measurement list"
                        : "the kernel has measured " + count + " files"};
}

Facility Docker(const fs::path& root) {
  if (Exists(root / "run/docker.sock")) return {"docker", true, "the engine's socket is there"};
  if (Exists(root / "usr/bin/dockerd") || Exists(root / "usr/sbin/dockerd")) {
    return {"docker", false, "the engine is installed but does not run"};
  }
  return {"docker", false, "no Docker Engine is installed"};
}

Facility SeLinux(const fs::path& root) {
  const std::string enforce = Word(root / "sys/fs/selinux/enforce");
  if (enforce == "1") return {"selinux", true, "enforcing"};
  if (enforce == "0") return {"selinux", false, "permissive: it logs and denies nothing"};
  return {"selinux", false, "the kernel runs without SELinux"};
}

Facility SecureBoot(const fs::path& root) {
  const fs::path variable =
      root / "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
  if (!Exists(root / "sys/firmware/efi")) {
    return {"secure-boot", false, "the node was not booted by UEFI"};
  }
  // Four bytes of attributes, then the value (UEFI 3.3).
  const Result<Bytes> content = ReadFile(variable.string(), kMaxWord);
  if (!content.ok() || content->size() != 5) {
    return {"secure-boot", false, "the firmware's variable SecureBoot can't be read"};
  }
  return (*content)[4] == 1
             ? Facility{"secure-boot", true, "on in the firmware; PCR 7 proves it, this does not"}
             : Facility{"secure-boot", false, "off in the firmware"};
}

}  // namespace

std::vector<Facility> LookAtPlatform(const fs::path& root) {
  return {Ima(root), Docker(root), SeLinux(root), SecureBoot(root)};
}

}  // namespace seaworthy::os
