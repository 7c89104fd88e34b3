#include "modules/docker/account_files.h"

#include <algorithm>
#include <limits>

#include "seaworthy/bytes.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

bool ParseId(std::string_view text, std::uint32_t& id) {
  std::uint64_t number = 0;
  // The C library takes leading zeros.
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - (text.empty() ? 0 : 1)));
  if (!ParseDecimal(text, std::numeric_limits<std::uint32_t>::max(), number)) return false;
  id = static_cast<std::uint32_t>(number);
  return true;
}

Result<std::string> ReadAccountFile(const os::RootFolder& root, const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> content, root.Read(path, kMaxAccountFile));
  return content ? std::string(AsText(*content)) : std::string();
}

}  // namespace

std::vector<Account> ParseAccounts(std::string_view text) {
  std::vector<Account> accounts;
  for (const std::string_view line : Split(text, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() < 4 || fields[0].empty() || line.starts_with('#')) continue;
    Account account{.name = std::string(fields[0])};
    if (!ParseId(fields[2], account.uid) || !ParseId(fields[3], account.gid)) continue;
    accounts.push_back(std::move(account));
  }
  return accounts;
}

std::vector<Group> ParseGroups(std::string_view text) {
  std::vector<Group> groups;
  for (const std::string_view line : Split(text, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() < 4 || fields[0].empty() || line.starts_with('#')) continue;
    Group group;
    group.name = fields[0];
    if (!ParseId(fields[2], group.gid)) continue;
    for (std::string_view member : Split(fields[3], ',')) {
      const std::size_t begin = std::min(member.find_first_not_of(" \t"), member.size());
      member.remove_prefix(begin);
      member = member.substr(0, member.find_last_not_of(" \t") + 1);
      if (!member.empty()) group.members.emplace_back(member);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

Result<std::optional<gid_t>> FindGroup(const os::RootFolder& root, const std::string& group) {
  ASSIGN_OR_RETURN(const std::string text, ReadAccountFile(root, "etc/group"));
  const std::vector<Group> groups = ParseGroups(text);
  const auto named = std::ranges::find(groups, group, &Group::name);
  if (named != groups.end()) return std::optional(named->gid);
  gid_t gid = 0;
  return ParseId(group, gid) ? std::optional(gid) : std::nullopt;
}

Result<std::set<std::string>> MembersOf(const os::RootFolder& root, gid_t gid) {
  ASSIGN_OR_RETURN(const std::string group_text, ReadAccountFile(root, "etc/group"));
  ASSIGN_OR_RETURN(const std::string account_text, ReadAccountFile(root, "etc/passwd"));
  std::set<std::string> members;
  // A number may have several names.
  for (const Group& group : ParseGroups(group_text)) {
    if (group.gid == gid) members.insert(group.members.begin(), group.members.end());
  }
  for (const Account& account : ParseAccounts(account_text)) {
    if (account.gid == gid) members.insert(account.name);
  }
  for (const Account& account : ParseAccounts(account_text)) {
    if (account.uid == 0) members.erase(account.name);
  }
  return members;
}

}  // namespace seaworthy::docker
