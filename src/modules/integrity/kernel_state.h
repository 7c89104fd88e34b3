// What the kernel's IMA and EVM can and do: securityfs, the command line, the keyrings.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace seaworthy::integrity {

enum class CustomPolicy : std::uint8_t { kUnknown, kNotLoaded, kLoaded, kExtensible };

struct ImaState {
  bool present = false;
  std::string template_name;  // of the list's first entry, as the hash
  std::string hash;
  std::uint64_t entries = 0;
  std::uint64_t violations = 0;
  std::vector<std::string> boot_policies;  // ima_policy=
  CustomPolicy custom_policy = CustomPolicy::kUnknown;
  std::string appraisal = "enforce";  // ima_appraise=
};

// The bits of securityfs/evm (security/integrity/evm/evm.h).
struct EvmState {
  static constexpr std::uint32_t kHmac = 1;
  static constexpr std::uint32_t kSignatures = 2;
  static constexpr std::uint32_t kMetadataWrites = 4;
  bool present = false;
  std::uint32_t value = 0;
};

struct Keyring {
  std::string name;
  std::uint64_t keys = 0;
};

// Something of ours that stands on the kernel.
struct Feature {
  std::string name;
  bool available = false;
  std::string detail;  // a sentence: how it is, or what is missing
};

struct KernelState {
  ImaState ima;
  EvmState evm;
  std::string lockdown;  // empty when the kernel has none
  std::vector<std::string> security_modules;
  std::vector<Keyring> keyrings;
  std::vector<Feature> features;
};

// A small file of the kernel's without what blanks end it; empty when it cannot be read.
std::string ReadKernelText(const std::filesystem::path& path);
// The number that a text begins with, 0 when it begins with none.
std::uint64_t ToNumber(const std::string& text);

// Whether a policy was loaded, by what is in IMA's folder of securityfs.
CustomPolicy ReadCustomPolicy(const std::filesystem::path& ima, std::uint64_t entries);

// Looks at the moment of the call, and fails on nothing: what cannot be seen is not there. `root`
// is "/" but for tests.
KernelState ReadKernelState(const std::filesystem::path& root = "/");

}  // namespace seaworthy::integrity
