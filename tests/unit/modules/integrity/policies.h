// tests/data/ima_policies by folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

struct PolicyFile {
  std::string name;  // "tcb"
  std::string text;
};

inline std::vector<PolicyFile> ReadPolicies(const std::string& folder) {
  std::vector<PolicyFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(TEST_DATA) /
                                                               "ima_policies" / folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    files.push_back({entry.path().stem(), std::string(std::istreambuf_iterator<char>(file), {})});
  }
  std::ranges::sort(files, {}, &PolicyFile::name);
  return files;
}

// A policy that has to be right; an empty one, and a failed test, when it is not.
inline ImaPolicy Parsed(std::string_view text, const ImaKernel& kernel = {}) {
  Result<ImaPolicy> policy = ParseImaPolicy(text, kernel);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy.ok() ? *std::move(policy) : ImaPolicy();
}

}  // namespace seaworthy::integrity
