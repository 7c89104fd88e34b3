#include "modules/volumes/block_users.h"

#include <sstream>

#include "seaworthy/directory.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kMaxMounts = std::size_t{1} << 20;
constexpr std::size_t kMaxNames = 4096;

// "36 35 98:0 /mnt1 /mnt2 ...": the third field is the device, the fifth the mount point.
void AddMounts(const std::string& device_number, const std::filesystem::path& root,
               std::vector<std::string>& users) {
  const Result<Bytes> text = ReadFile(root / "proc/self/mountinfo", kMaxMounts);
  if (!text.ok()) return;
  std::istringstream lines{std::string(AsText(*text))};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, number, inside, mount_point;
    fields >> id >> parent >> number >> inside >> mount_point;
    if (number == device_number) users.push_back(mount_point);
  }
}

}  // namespace

std::vector<std::string> NamesIn(const std::filesystem::path& folder) {
  const Result<Directory> directory = Directory::Open(folder);
  if (!directory.ok()) return {};
  return directory->List(kMaxNames).value_or(std::vector<std::string>());
}

std::vector<std::string> UsersOf(const std::string& device_number,
                                 const std::filesystem::path& root) {
  std::vector<std::string> users = NamesIn(root / "sys/dev/block" / device_number / "holders");
  AddMounts(device_number, root, users);
  return users;
}

}  // namespace seaworthy::volumes
