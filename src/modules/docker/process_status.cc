#include "modules/docker/process_status.h"

#include <cstdint>
#include <optional>

#include "modules/docker/engine_json.h"
#include "seaworthy/bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {
namespace {

constexpr std::size_t kMaxStatus = std::size_t{64} << 10;

}  // namespace

std::string ProcessStatus(const os::RootFolder& root, const nlohmann::json& container,
                          std::string_view field) {
  const std::int64_t pid = Number(At(container, {"State", "Pid"}));
  if (pid <= 0) return "";
  const Result<std::optional<Bytes>> file =
      root.Read("proc/" + std::to_string(pid) + "/status", kMaxStatus);
  if (!file.ok() || !*file) return "";
  // "Name:\tsleep\n"
  const std::string text = "\n" + std::string((*file)->begin(), (*file)->end());
  const std::string start = "\n" + std::string(field) + ":\t";
  const std::size_t found = text.find(start);
  if (found == std::string::npos) return "";
  const std::size_t begin = found + start.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace seaworthy::docker
