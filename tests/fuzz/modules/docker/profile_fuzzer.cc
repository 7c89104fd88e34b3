// A profile, and what it is merged into. First byte: which version of the engine; then the profile,
// ended by a NUL; the engine's command line, its arguments ended by NULs and the whole by an empty
// one; then daemon.json.
#include "modules/docker/hardening/profile.h"

#include <algorithm>
#include <cstdlib>

#include "modules/docker/hardening/engine_command.h"
#include "modules/docker/hardening/log_options.h"
#include "modules/docker/hardening/merge.h"
#include "seaworthy/bytes.h"

namespace {

namespace docker = seaworthy::docker;

void Expect(bool holds) {
  if (!holds) std::abort();
}

std::string_view Take(std::string_view& text) {
  const std::string_view piece = text.substr(0, text.find('\0'));
  text.remove_prefix(std::min(piece.size() + 1, text.size()));
  return piece;
}

// The flags of the key are gone, all others say what they said.
void CheckFlags(const std::vector<std::string>& arguments, const docker::EngineFlags& flags,
                const docker::DaemonKey& key, const docker::EngineVersion& version) {
  const std::vector<std::string> names = docker::FlagsOf(key);
  const std::vector<std::string> kept =
      docker::WithoutFlags(arguments, version, {names.begin(), names.end()});
  docker::EngineFlags wanted = flags;
  for (const std::string& name : names) wanted.values.erase(name);
  const docker::EngineFlags left = docker::ParseEngineFlags(kept, version);
  Expect(left.values == wanted.values && left.problems.empty());
  const auto drop_in = docker::MakeDropIn("/usr/sbin/dockerd", kept);
  if (drop_in.ok()) Expect(std::ranges::count(*drop_in, '\n') == 4);
}

void CheckMerge(const docker::ProfileSetting& setting, const docker::DaemonKey& key,
                const docker::EngineFlags& flags, const docker::DaemonJson& file,
                const docker::EngineVersion& version) {
  const auto config = docker::MakeEffectiveConfig(flags, file, version);
  const nlohmann::json current = docker::CurrentValue(key, flags, file, config);
  const nlohmann::json merged = docker::Merge(key, current, setting.value);
  Expect(docker::Merge(key, merged, setting.value) == merged);
  nlohmann::json out = file.file;
  out[setting.key] = merged;
  const auto again = docker::ParseDaemonJson(docker::WriteDaemonJson(out, ""), version);
  // Who reads it finds what was meant, nothing new is wrong, and nothing of others' is gone.
  Expect(again.ok() && again->file == out && again->problems.empty());
  for (const auto& [name, value] : file.file.items()) {
    Expect(name == setting.key || again->file.at(name) == value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const docker::EngineVersion version = {data[0] % 32U, 10, 24};
  std::string_view text = seaworthy::AsText({data + 1, size - 1});
  const auto profile = docker::ParseProfile(Take(text));
  if (!profile.ok()) return 0;
  std::vector<std::string> arguments;
  while (!text.empty()) {
    const std::string_view argument = Take(text);
    if (argument.empty()) break;
    arguments.emplace_back(argument);
  }
  const auto flags = docker::ParseEngineFlags(arguments, version);
  const auto file = docker::ParseDaemonJson(text, version);
  // What is no UTF-8 no daemon.json can say.
  const bool plain = std::ranges::all_of(arguments, [](const std::string& argument) {
    return std::ranges::none_of(argument, [](char c) { return (c & 0x80) != 0; });
  });
  if (!plain || !file.ok() || !file->problems.empty() || !flags.problems.empty()) return 0;
  for (const docker::ProfileSetting& setting : profile->settings) {
    (void)docker::CheckLogOptions("local", setting.value);
    (void)docker::CheckLogOptions("json-file", setting.value);
    const docker::DaemonKey* const key = docker::FindKey(setting.key, version);
    if (key == nullptr) continue;
    CheckFlags(arguments, flags, *key, version);
    CheckMerge(setting, *key, flags, *file, version);
  }
  return 0;
}
