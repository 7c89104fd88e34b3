#include "ctl/volume_units.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

constexpr std::size_t kMaxName = 64;
// Letters and digits, and these: systemd takes each of them as it is.
constexpr std::string_view kPlain = "/._-:+@,=";

bool IsAlnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

Status CheckName(const std::string& name) {
  const bool plain = std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!name.empty() && name.size() <= kMaxName && plain && name.front() != '-') return {};
  return Fail(Code::kInvalidArgument, "USAGE",
              "NAME: a volume's name has 1 to 64 of a-z, 0-9 and \"-\", which is not the first");
}

std::vector<std::string_view> Components(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// The path without double and last slashes.
Result<std::string> CheckMount(const std::string& mount) {
  const bool plain = std::ranges::all_of(
      mount, [](char c) { return IsAlnum(c) || kPlain.find(c) != std::string_view::npos; });
  std::string path;
  bool dots = false;
  for (const std::string_view part : Components(mount)) {
    path += "/" + std::string(part);
    dots |= part == "." || part == "..";
  }
  if (!mount.starts_with('/') || path.empty() || !plain || dots) {
    return Fail(Code::kInvalidArgument, "USAGE",
                "--mount: want a path from / on, of letters, digits and ._-:+@,=");
  }
  return path;
}

std::string OpeningUnit() {
  return R"([Unit]
Description=Seaworthy: the volume %i is open
Documentation=man:seaworthyctl(1)
# Wanted, not required: the volume stays open when the daemon is started anew.
Wants=seaworthyd.service
After=seaworthyd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/seaworthyctl volumes open %i
ExecStop=/usr/bin/seaworthyctl volumes close %i
TimeoutSec=150
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
)";
}

std::string MountUnit(const std::string& name, const std::string& mount,
                      const std::string& service) {
  return "[Unit]\nDescription=Seaworthy: the volume " + name + " on " + mount +
         R"(
Documentation=man:seaworthyctl(1)
# The daemon is started when the local file systems are mounted: this is none of them.
DefaultDependencies=no
Conflicts=umount.target
Before=umount.target
)" +
         "Requires=" + service + "\nAfter=" + service + "\n\n[Mount]\nWhat=/dev/mapper/" + name +
         "\nWhere=" + mount + "\n\n[Install]\nWantedBy=multi-user.target\n";
}

std::string DockerDropIn(const std::string& mount, const std::string& mount_unit) {
  return "[Unit]\n# Without the volume Docker is not started: it would fill the folder below.\n"
         "RequiresMountsFor=" +
         mount + "\nBindsTo=" + mount_unit + "\nAfter=" + mount_unit +
         "\nAssertPathIsMountPoint=" + mount + "\n";
}

}  // namespace

std::string EscapePath(std::string_view path) {
  std::string name;
  for (const std::string_view part : Components(path)) {
    if (!name.empty()) name += '-';
    for (const char c : part) {
      if (IsAlnum(c) || c == ':' || c == '_' || (c == '.' && !name.empty())) {
        name += c;
        continue;
      }
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
      name += escaped;
    }
  }
  return name.empty() ? "-" : name;
}

Result<std::vector<UnitFile>> VolumeUnits(const std::string& name, const std::string& mount,
                                          bool docker) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(const std::string path, CheckMount(mount));
  const std::string mount_unit = EscapePath(path) + ".mount";
  std::vector<UnitFile> units = {
      {"seaworthy-volume@.service", OpeningUnit()},
      {mount_unit, MountUnit(name, path, "seaworthy-volume@" + name + ".service")}};
  if (docker) {
    units.push_back({"docker.service.d/10-seaworthy-volume.conf", DockerDropIn(path, mount_unit)});
  }
  return units;
}

}  // namespace seaworthy::ctl
