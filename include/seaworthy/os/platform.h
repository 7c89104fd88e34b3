// What the node's kernel and system offer to Seaworthy besides the TPM.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace seaworthy::os {

struct Facility {
  std::string name;  // "ima", "docker", "selinux", "secure-boot"
  bool present = false;
  std::string detail;  // a sentence: what there is, or what is lacking
};

// Looks at the moment of the call, and fails on nothing: what cannot be seen is not there.
// `root` is "/" but for tests.
std::vector<Facility> LookAtPlatform(const std::filesystem::path& root = "/");

}  // namespace seaworthy::os
