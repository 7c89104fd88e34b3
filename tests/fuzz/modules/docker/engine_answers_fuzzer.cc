// Whatever an engine answers: each check says something about it, and nothing breaks. The input is
// lines of JSON: /version, /info, a network, images and containers.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "modules/docker/audit.h"
#include "seaworthy/bytes.h"

namespace {

using nlohmann::json;

std::vector<json> Lines(std::string_view text) {
  std::vector<json> lines;
  while (!text.empty() && lines.size() < 16) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    json parsed = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
    lines.push_back(parsed.is_discarded() ? json() : std::move(parsed));
  }
  lines.resize(std::max<std::size_t>(lines.size(), 4));
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace docker = seaworthy::docker;
  // An empty folder: the files of this machine are no part of it.
  static const std::string root = [] {
    char path[] = "/tmp/engine_answers.XXXXXX";
    return std::string(mkdtemp(path) == nullptr ? "/proc/self/task" : path);
  }();
  const std::vector<json> lines = Lines(seaworthy::AsText({data, size}));
  docker::Facts facts(*seaworthy::os::RootFolder::Open(root));
  facts.version = lines[0];
  facts.info = lines[1];
  facts.networks = std::vector<json>{lines[2]};
  facts.images = std::vector<json>{lines[3]};
  facts.containers = std::vector<json>(lines.begin() + 4, lines.end());
  const auto findings = docker::Audit(facts, docker::SitePolicy(), "2026-11-29");
  std::set<std::string> told;
  for (const docker::Finding& finding : findings) told.insert(finding.check);
  if (told.size() != 117) std::abort();
  return 0;
}
