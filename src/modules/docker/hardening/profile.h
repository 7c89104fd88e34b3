// What an approved daemon.json says: a profile, shipped in policies/docker/ or a site's own.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/engine_version.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

inline constexpr std::size_t kMaxProfile = std::size_t{256} << 10;

// The host has SELinux; the engine is in no swarm; the host has a journal; containers' logs stay on
// the node, so that the engine has to rotate them; the engine may raise limits above its own.
inline constexpr std::string_view kConditions[] = {"selinux", "no-swarm", "journald", "local-logs",
                                                   "raise-limits"};

struct ProfileSetting {
  std::string key;
  nlohmann::json value;
  std::string why;  // a sentence for who reads the plan; never empty
  // The engines that it is for, beyond what the table of keys says: [since, until).
  EngineVersion since = {};
  EngineVersion until = {~0U, 0, 0};
  std::string only;  // one of kConditions: where it is for some hosts alone; empty: everywhere
};

struct Profile {
  std::string name;
  std::string description;
  std::vector<ProfileSetting> settings;
  bool canary = false;   // a container is started after each change, and looked at
  bool reapply = false;  // when somebody has edited what was applied
};

// INVALID_ARGUMENT (PROFILE_MALFORMED) naming the field.
Result<Profile> ParseProfile(std::string_view text);

// By its name, from kProfileFolders. NOT_FOUND (PROFILE_ABSENT); FAILED_PRECONDITION
// (PROFILE_UNSAFE) for a file that others than root may write.
Result<Profile> FindProfile(const os::RootFolder& root, const std::string& name);

// As the options say: their text, or by its name. NOT_FOUND (PROFILE_ABSENT), and what the others
// say.
Result<Profile> ChooseProfile(const HardeningOptions& options);

}  // namespace seaworthy::docker
