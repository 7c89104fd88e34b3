// IMA policies for Docker's files on this node, made of the templates in policies/ima.
#pragma once

#include <set>

#include "seaworthy/modules/integrity/docker_installation.h"
#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

// What a policy is made for.
struct PolicyNode {
  struct File {
    std::string path;
    bool program = false;
    ImaAccess conditions;
  };
  std::vector<File> files;
  // SELinux types that others have, too: the neighbours of these files, and the folders of
  // programs, logs and databases, as what is made in a folder has its type.
  std::set<std::string, std::less<>> shared_types;
  // UUIDs of the file systems on which the node's own programs are.
  std::set<FsUuid> system;
};

// Errors of what cannot be opened or read; links among the files are left out, for what they lead
// to is listed itself.
Result<PolicyNode> LookAtNode(const std::string& root, const std::vector<InstalledFile>& files);

struct MakePolicyOptions {
  // Appraise by the file systems of the node's own programs as well: whatever on them is not
  // signed can't be run.
  bool appraise_all_programs = false;
};

// The template's rules with the node's values, and its comments. INVALID_ARGUMENT,
// IMA_POLICY_MALFORMED, when it is no template. FAILED_PRECONDITION: NO_PROGRAMS, when no program
// was found; NOTHING_TO_APPRAISE, when of a template that appraises no such rule is left.
Result<std::string> MakeImaPolicy(std::string_view policy_template, const PolicyNode& node,
                                  const MakePolicyOptions& options);

}  // namespace seaworthy::integrity
