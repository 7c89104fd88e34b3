// What an IMA policy would do to files that are there, before the kernel has it.
#pragma once

#include "seaworthy/modules/integrity/file_signature.h"
#include "seaworthy/modules/integrity/file_tree.h"
#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

// A file and what root can do with it: run it, when it may be run; map it as code, when it is ELF;
// load it, when it is a kernel module; read it.
struct SimulatedFile {
  std::string path;
  // "run", "map", "load", "read".
  std::vector<std::string_view> measured;
  std::vector<std::string_view> denied;
  Status why;  // of denied
};

struct Simulation {
  std::uint64_t files = 0;
  std::uint64_t measured = 0;
  std::uint64_t appraised = 0;
  std::uint64_t denied = 0;
  std::uint64_t failed = 0;  // could not be looked at
};

struct SimulationRun {
  std::string root = "/";
  TreeRun tree;
  // That are in the kernel's keyring.
  verify::ImaKeys keys = {};
  // Where signatures are; what they are over is the rules' to say.
  SignatureOptions signatures = {};
  std::function<void(const SimulatedFile&)> tell = nullptr;
};

// Denied is what no key's signature of its content lets pass, in security.ima. A rule that takes a
// hash there, too, is judged as if it asked for a signature. The task is root's, and has no SELinux
// label: rules that ask for one (see AsksForSubject) match nothing.
Result<Simulation> SimulatePolicy(const ImaPolicy& policy, const SimulationRun& run);

bool AsksForSubject(const ImaPolicy& policy);
// Without SELinux the kernel refuses such a policy.
bool AsksForSelinux(const ImaPolicy& policy);

}  // namespace seaworthy::integrity
