#include "modules/docker/container_processes.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "modules/docker/engine_json.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxProcessIds = std::size_t{1} << 20;
constexpr std::size_t kMaxGroups = 1000;
constexpr std::size_t kMaxNames = 10'000;

Result<std::string> ReadText(const std::string& path, std::size_t cap) {
  ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, cap));
  return std::string(bytes.begin(), bytes.end());
}

Status AddNames(const std::string& root, const std::string& group,
                std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const std::string ids, ReadText(group + "/cgroup.procs", kMaxProcessIds));
  std::istringstream lines(ids);
  for (std::string id; std::getline(lines, id) && names.size() < kMaxNames;) {
    const Result<std::string> name = ReadText(root + "/proc/" + id + "/comm", 64);
    if (name.ok()) names.push_back(name->substr(0, name->find('\n')));  // it may have ended
  }
  return {};
}

Result<std::vector<std::string>> NamesBelow(const std::string& root, const std::string& group) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(AddNames(root, group, names));
  std::error_code error;
  std::size_t groups = 0;
  for (fs::recursive_directory_iterator at(group, error), end; !error && at != end;
       at.increment(error)) {
    if (!at->is_directory(error) || ++groups > kMaxGroups) continue;
    RETURN_IF_ERROR(AddNames(root, at->path().string(), names));
  }
  return names;
}

}  // namespace

std::string ControlGroupOf(std::string_view text) {
  std::string found;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first == std::string_view::npos ? first : first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controller = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (controller == "pids") return "pids" + path;  // hierarchies of version 1
    if (controller.empty() && path.starts_with('/')) found = path.substr(1);
  }
  return found;
}

std::map<std::string, Result<std::vector<std::string>>> ReadContainerProcesses(
    const std::string& root, const std::vector<nlohmann::json>& containers) {
  std::map<std::string, Result<std::vector<std::string>>> processes;
  for (const nlohmann::json& container : containers) {
    const std::int64_t pid = Number(At(container, {"State", "Pid"}));
    if (!IsTrue(At(container, {"State", "Running"})) || pid <= 0) continue;
    const std::string path = root + "/proc/" + std::to_string(pid) + "/cgroup";
    Result<std::vector<std::string>>& names = processes[Text(At(container, {"Id"}))];
    const Result<std::string> text = ReadText(path, 64 << 10);
    const std::string group = text.ok() ? ControlGroupOf(*text) : "";
    if (!text.ok()) {
      names = text.status();
    } else if (group.empty()) {
      // The host's own group would show the host's processes as the container's.
      names = Fail(Code::kNotFound, "CONTROL_GROUP", path + " names no control group of its own");
    } else {
      names = NamesBelow(root, root + "/sys/fs/cgroup/" + group);
    }
  }
  return processes;
}

}  // namespace seaworthy::docker
