// /etc/passwd and /etc/group. Directory services, which the system may ask as well, are not asked:
// that takes their libraries and the network.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

inline constexpr std::size_t kMaxAccountFile = std::size_t{8} << 20;

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct Group {
  std::string name;
  gid_t gid = 0;
  std::vector<std::string> members = {};
};

// Lines that are none are looked over, as the C library does.
std::vector<Account> ParseAccounts(std::string_view text);
std::vector<Group> ParseGroups(std::string_view text);

// A group by its name or, as the engine takes it, by its number. Nothing when there is none.
Result<std::optional<gid_t>> FindGroup(const os::RootFolder& root, const std::string& group);

// The accounts in the group, also those whose first group it is; without those of uid 0.
Result<std::set<std::string>> MembersOf(const os::RootFolder& root, gid_t gid);

}  // namespace seaworthy::docker
