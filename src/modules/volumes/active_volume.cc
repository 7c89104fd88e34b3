#include "seaworthy/modules/volumes/active_volume.h"

#include <algorithm>
#include <filesystem>

#include "modules/volumes/block_users.h"
#include "seaworthy/directory.h"
#include "seaworthy/json/foreign_json.h"

namespace seaworthy::volumes {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxAttribute = 4096;
// What libcryptsetup calls a mapping: this, the header's UUID without dashes, "-" and the name.
constexpr std::string_view kLuks2 = "CRYPT-LUKS2-";

// The text of an attribute, empty when it is not there.
std::string Attribute(const fs::path& path) {
  const Result<Bytes> text = ReadFile(path, kMaxAttribute);
  if (!text.ok()) return "";
  std::string line(AsText(*text));
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

struct Mapping {
  std::string device;
  std::string name;
  std::string uuid;
};

std::vector<Mapping> Mappings(const fs::path& root) {
  std::vector<Mapping> mappings;
  for (const std::string& device : NamesIn(root / "sys/block")) {
    const fs::path dm = root / "sys/block" / device / "dm";
    std::string name = Attribute(dm / "name");
    if (!name.empty()) mappings.push_back({device, std::move(name), Attribute(dm / "uuid")});
  }
  return mappings;
}

ActiveVolume Describe(const Mapping& mapping, const fs::path& root) {
  const std::string number = Attribute(root / "sys/block" / mapping.device / "dev");
  return {mapping.name, mapping.device, UsersOf(number, root)};
}

Status NotActive(const std::string& what) {
  return Fail(Code::kNotFound, "VOLUME_NOT_ACTIVE", what + ": is not active");
}

}  // namespace

Result<ActiveVolume> FindActive(const std::string& uuid, const std::string& root) {
  std::string plain = uuid;
  std::erase(plain, '-');
  for (const Mapping& mapping : Mappings(root)) {
    if (!plain.empty() && mapping.uuid == std::string(kLuks2) + plain + "-" + mapping.name) {
      return Describe(mapping, root);
    }
  }
  return NotActive("the volume " + Quoted(uuid));
}

Result<ActiveVolume> FindActiveByName(const std::string& name, const std::string& root) {
  const std::vector<Mapping> mappings = Mappings(root);
  const auto found = std::ranges::find(mappings, name, &Mapping::name);
  if (found == mappings.end()) return NotActive(Quoted(name));
  if (found->uuid.starts_with(kLuks2)) return Describe(*found, root);
  return Fail(Code::kFailedPrecondition, "MAPPING_FOREIGN",
              Quoted(name) + ": is no mapping of a LUKS2 volume");
}

}  // namespace seaworthy::volumes
