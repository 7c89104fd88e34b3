#include "modules/docker/hardening/engine_limits.h"

#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "modules/docker/process_status.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

constexpr std::size_t kMaxLimits = std::size_t{16} << 10;

// As /proc/PID/limits has them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kNames = {
    {{"core", "Max core file size"},
     {"cpu", "Max cpu time"},
     {"data", "Max data size"},
     {"fsize", "Max file size"},
     {"locks", "Max file locks"},
     {"memlock", "Max locked memory"},
     {"msgqueue", "Max msgqueue size"},
     {"nice", "Max nice priority"},
     {"nofile", "Max open files"},
     {"nproc", "Max processes"},
     {"rss", "Max resident set"},
     {"rtprio", "Max realtime priority"},
     {"rttime", "Max realtime timeout"},
     {"sigpending", "Max pending signals"},
     {"stack", "Max stack size"}}};

}  // namespace

bool MayRaiseLimits(const Facts& facts) {
  if (!facts.process.ok()) return true;
  const std::string mask =
      ProcessStatus(facts.root, {{"State", {{"Pid", facts.process->pid}}}}, "CapEff");
  std::uint64_t capabilities = 0;
  const auto [end, error] =
      std::from_chars(mask.data(), mask.data() + mask.size(), capabilities, 16);
  return error != std::errc() || (capabilities >> unsigned{CAP_SYS_RESOURCE} & 1U) != 0;
}

std::optional<std::int64_t> HardLimit(const Facts& facts, std::string_view name) {
  if (!facts.process.ok()) return std::nullopt;
  const Result<std::optional<Bytes>> text =
      facts.root.Read("proc/" + std::to_string(facts.process->pid) + "/limits", kMaxLimits);
  if (!text.ok() || !*text) return std::nullopt;
  for (const auto& [short_name, label] : kNames) {
    if (short_name != name) continue;
    for (const std::string_view line : Split(AsText(**text), '\n')) {
      if (!line.starts_with(label)) continue;
      std::string_view rest = line.substr(label.size());
      // The soft limit, the hard one, the unit.
      std::string_view word;
      for (int i = 0; i < 2; ++i) {
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(word.size());
      }
      std::uint64_t hard = 0;
      constexpr std::uint64_t kMax = std::uint64_t{1} << 62U;
      if (ParseDecimal(word, kMax, hard)) return static_cast<std::int64_t>(hard);
    }
  }
  return std::nullopt;
}

}  // namespace seaworthy::docker
