#include "seaworthy/modules/integrity/make_policy.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/modules/integrity/file_conditions.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr const char* kSharedFolders[] = {"etc",
                                          "etc/systemd/system",
                                          "home",
                                          "opt",
                                          "root",
                                          "run",
                                          "tmp",
                                          "usr",
                                          "usr/bin",
                                          "usr/lib",
                                          "usr/libexec",
                                          "usr/lib/systemd/system",
                                          "usr/sbin",
                                          "usr/share",
                                          "var",
                                          "var/cache",
                                          "var/lib",
                                          "var/lib/containerd",
                                          "var/lib/docker",
                                          "var/log",
                                          "var/tmp"};
constexpr std::size_t kMaxNeighbours = 100'000;
// Where the node's own programs are.
constexpr const char* kSystemFolders[] = {"", "usr", "usr/bin", "usr/sbin", "usr/lib"};

Status Malformed(std::size_t line, const std::string& why) {
  return Fail(Code::kInvalidArgument, "IMA_POLICY_MALFORMED",
              "line " + std::to_string(line) + " of the template " + why);
}

Result<std::optional<ImaAccess>> ConditionsAt(const os::RootFolder& root, const std::string& path,
                                              FileConditions& conditions) {
  ASSIGN_OR_RETURN(const std::optional<os::Place> place, root.At(path));
  if (!place || S_ISLNK(place->stat.st_mode)) return std::nullopt;
  const UniqueFd fd = os::Reopen(*place, O_RDONLY);
  if (!fd) return FromErrno(errno, "open " + path);
  return conditions.Of(fd.get());
}

// Types that something else in the folder has than the files; of the folders in it only with
// `folders`.
Status AddNeighbours(const os::RootFolder& root, const std::string& folder, bool folders,
                     const PolicyNode& node, std::set<std::string, std::less<>>& types) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, root.List(folder, kMaxNeighbours));
  for (const std::string& name : names) {
    const std::string path = folder.empty() ? name : folder + "/" + name;
    if (std::ranges::binary_search(node.files, path, {}, &PolicyNode::File::path)) continue;
    ASSIGN_OR_RETURN(const std::optional<os::Place> place, root.At(path));
    if (!place || S_ISLNK(place->stat.st_mode)) continue;
    if (S_ISDIR(place->stat.st_mode) && !folders) continue;
    types.emplace(SelinuxType(SelinuxLabel(place->fd.get())));
  }
  return {};
}

Result<std::set<std::string, std::less<>>> SharedTypes(const os::RootFolder& root,
                                                       const PolicyNode& node) {
  std::set<std::string, std::less<>> types;
  std::set<std::string> parents;
  for (const PolicyNode::File& file : node.files) {
    const std::size_t slash = file.path.rfind('/');
    parents.insert(slash == std::string::npos ? "" : file.path.substr(0, slash));
  }
  for (const std::string& parent : parents) {
    RETURN_IF_ERROR(AddNeighbours(root, parent, false, node, types));
  }
  for (const std::string shared : kSharedFolders) {
    ASSIGN_OR_RETURN(const std::optional<std::string> folder, root.Canonical(shared));
    if (!folder) continue;
    ASSIGN_OR_RETURN(const std::optional<os::Place> place, root.At(*folder));
    if (!place || !S_ISDIR(place->stat.st_mode)) continue;
    types.emplace(SelinuxType(SelinuxLabel(place->fd.get())));
    RETURN_IF_ERROR(AddNeighbours(root, *folder, true, node, types));
  }
  return types;
}

// The words of the templates and what they stand for on a node, each in order and once.
using Values = std::set<std::string>;
struct Word {
  std::string_view name;
  Values values;
};

class Words {
 public:
  Words(const PolicyNode& node, const MakePolicyOptions& options) {
    for (const PolicyNode::File& file : node.files) {
      const std::string type(SelinuxType(file.conditions.object));
      const bool has_type = !type.empty() && !node.shared_types.contains(type);
      if (file.program) {
        const std::string system = FileSystemCondition(file.conditions);
        Of("PROGRAM_FILE_SYSTEM").insert(system);
        if (has_type) {
          Of("PROGRAM_TYPE").insert("obj_type=" + type);
        } else {
          Of("UNTYPED_FILE_SYSTEM").insert(system);
          if (options.appraise_all_programs || IsOfItsOwn(file.conditions, node)) {
            Of("APPRAISED_FILE_SYSTEM").insert(system);
          }
        }
      } else if (has_type) {
        Of("CONFIGURATION_TYPE").insert("obj_type=" + type);
      }
    }
  }

  const Values* Find(std::string_view name) const {
    const auto* word = std::ranges::find(words_, name, &Word::name);
    return word == std::end(words_) ? nullptr : &word->values;
  }

 private:
  Values& Of(std::string_view name) { return std::ranges::find(words_, name, &Word::name)->values; }

  // File systems without a UUID, squashfs among them, and tmpfs, which newer kernels give another
  // at each mount, are told by their kind.
  static std::string FileSystemCondition(const ImaAccess& file) {
    ImaRule rule;
    if (file.fsuuid == FsUuid{} || file.fsname == "tmpfs") {
      rule.fsname = file.fsname;
    } else {
      rule.fsuuid = file.fsuuid;
    }
    const std::string text = FormatImaRule(rule);
    return text.substr(text.find(' ') + 1);
  }

  static bool IsOfItsOwn(const ImaAccess& file, const PolicyNode& node) {
    return file.fsuuid != FsUuid{} && !node.system.contains(file.fsuuid);
  }

  Word words_[5] = {{"PROGRAM_FILE_SYSTEM", {}},
                    {"PROGRAM_TYPE", {}},
                    {"UNTYPED_FILE_SYSTEM", {}},
                    {"APPRAISED_FILE_SYSTEM", {}},
                    {"CONFIGURATION_TYPE", {}}};
};

// The line once for each value of the word in it.
Status AddLine(const std::string& line, std::size_t number, const Words& words, std::string& text) {
  const std::size_t begin = line.starts_with('#') ? std::string::npos : line.find('@');
  if (begin == std::string::npos) {
    text += line + "\n";
    return {};
  }
  const std::size_t end = line.find('@', begin + 1);
  if (end == std::string::npos) return Malformed(number, "has one @ alone");
  const std::string name = line.substr(begin + 1, end - begin - 1);
  const Values* values = words.Find(name);
  if (values == nullptr) return Malformed(number, "has @" + name + "@, which is no word of one");
  for (const std::string& value : *values) {
    text += line.substr(0, begin) + value + line.substr(end + 1) + "\n";
  }
  return {};
}

}  // namespace

Result<PolicyNode> LookAtNode(const std::string& root, const std::vector<InstalledFile>& files) {
  ASSIGN_OR_RETURN(const os::RootFolder folder, os::RootFolder::Open(root));
  FileConditions conditions(HasSelinux(root));
  PolicyNode node;
  for (const InstalledFile& file : files) {
    ASSIGN_OR_RETURN(std::optional<ImaAccess> found, ConditionsAt(folder, file.path, conditions));
    if (!found) continue;
    node.files.push_back({file.path, file.kind == InstalledKind::kProgram, *std::move(found)});
  }
  std::ranges::sort(node.files, {}, &PolicyNode::File::path);
  if (conditions.selinux()) {
    ASSIGN_OR_RETURN(node.shared_types, SharedTypes(folder, node));
  }
  for (const std::string system : kSystemFolders) {
    ASSIGN_OR_RETURN(const std::optional<ImaAccess> found,
                     ConditionsAt(folder, system, conditions));
    if (found) node.system.insert(found->fsuuid);
  }
  return node;
}

Result<std::string> MakeImaPolicy(std::string_view policy_template, const PolicyNode& node,
                                  const MakePolicyOptions& options) {
  if (std::ranges::none_of(node.files, &PolicyNode::File::program)) {
    return Fail(Code::kFailedPrecondition, "NO_PROGRAMS",
                "no program of Docker's was found; name yours by --add");
  }
  const Words words(node, options);
  std::string text;
  std::size_t number = 0;
  bool wants_appraisal = false;
  for (std::string_view rest = policy_template; !rest.empty();) {
    const std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    wants_appraisal = wants_appraisal || line.starts_with("appraise ");
    RETURN_IF_ERROR(AddLine(line, ++number, words, text));
  }
  ASSIGN_OR_RETURN(const ImaPolicy policy, ParseImaPolicy(text));
  if (wants_appraisal && !Appraises(policy)) {
    return Fail(Code::kFailedPrecondition, "NOTHING_TO_APPRAISE",
                "Docker's programs have neither SELinux types nor a file system of their own; by "
                "the node's file systems every program on them that is not signed would be "
                "denied, which --appraise-all-programs allows");
  }
  return text;
}

}  // namespace seaworthy::integrity
