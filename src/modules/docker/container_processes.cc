#include "modules/docker/container_processes.h"

#include <algorithm>
#include <filesystem>

#include "modules/docker/engine_json.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxProcessIds = std::size_t{1} << 20;
constexpr std::size_t kMaxGroups = 1000;
constexpr std::size_t kMaxNames = 10'000;

Status AddNames(const std::string& root, const std::string& group,
                std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const Bytes ids, ReadFile(group + "/cgroup.procs", kMaxProcessIds));
  for (const std::string_view id : Split(AsText(ids), '\n')) {
    if (id.empty() || names.size() >= kMaxNames) break;
    const Result<Bytes> name = ReadFile(root + "/proc/" + std::string(id) + "/comm", 64);
    if (!name.ok()) continue;  // it may have ended
    names.emplace_back(Split(AsText(*name), '\n').front());
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
  for (const std::string_view line : Split(text, '\n')) {
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
    const Result<Bytes> text = ReadFile(path, 64 << 10);
    const std::string group = text.ok() ? ControlGroupOf(AsText(*text)) : "";
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
