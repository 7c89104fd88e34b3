#include "modules/integrity/kernel_state.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/ima_list.h"

namespace seaworthy::integrity {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxText = std::size_t{1} << 20;
// Where IMA and EVM look for keys, and what they refuse.
constexpr const char* kKeyrings[] = {".ima",
                                     "_ima",
                                     ".evm",
                                     "_evm",
                                     ".machine",
                                     ".platform",
                                     ".blacklist",
                                     ".builtin_trusted_keys",
                                     ".secondary_trusted_keys"};

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// The values of a word of the kernel's command line, in order. The kernel takes quotes around a
// value or a whole word.
std::vector<std::string> Arguments(const std::string& command_line, const std::string& key) {
  std::vector<std::string> values;
  for (std::string word : Split(command_line, ' ')) {
    std::erase(word, '"');
    if (word == key) values.emplace_back();
    if (word.starts_with(key + "=")) values.push_back(word.substr(key.size() + 1));
  }
  return values;
}

// The list may be very long: its beginning says what is asked here.
Bytes FirstPage(const fs::path& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<std::uint8_t, 4096> page{};
  const ssize_t size = fd ? read(fd.get(), page.data(), page.size()) : -1;
  return size > 0 ? Bytes(page.begin(), page.begin() + size) : Bytes();
}

void ReadFirstEntry(const fs::path& list, ImaState& ima) {
  verify::ImaListReader reader;
  reader.Add(FirstPage(list));
  const Result<std::optional<verify::ImaEntry>> entry = reader.Next();
  if (!entry.ok() || !entry->has_value()) return;
  ima.template_name = (*entry)->template_name;
  const Result<verify::ImaFields> fields = verify::ParseImaFields(**entry);
  if (fields.ok()) ima.hash = fields->hash;
}

ImaState ReadIma(const fs::path& root, const std::string& command_line) {
  ImaState ima;
  const fs::path folder = root / "sys/kernel/security/ima";
  std::error_code ignored;
  ima.present = fs::exists(folder / "binary_runtime_measurements", ignored);
  for (const std::string& value : Arguments(command_line, "ima_policy")) {
    for (const std::string& policy : Split(value, '|')) ima.boot_policies.push_back(policy);
  }
  // The older words for the same.
  if (!Arguments(command_line, "ima_tcb").empty()) ima.boot_policies.emplace_back("tcb");
  if (!Arguments(command_line, "ima_appraise_tcb").empty()) {
    ima.boot_policies.emplace_back("appraise_tcb");
  }
  const std::vector<std::string> appraisal = Arguments(command_line, "ima_appraise");
  if (!appraisal.empty()) ima.appraisal = appraisal.back();
  if (!ima.present) return ima;
  ReadFirstEntry(folder / "binary_runtime_measurements", ima);
  ima.entries = ToNumber(ReadKernelText(folder / "runtime_measurements_count"));
  ima.violations = ToNumber(ReadKernelText(folder / "violations"));
  ima.custom_policy = ReadCustomPolicy(folder, ima.entries);
  return ima;
}

EvmState ReadEvm(const fs::path& root) {
  const std::string value = ReadKernelText(root / "sys/kernel/security/evm");
  return {!value.empty(), static_cast<std::uint32_t>(ToNumber(value))};
}

// "none [integrity] confidentiality": the one that holds is in brackets.
std::string ReadLockdown(const fs::path& root) {
  const std::string text = ReadKernelText(root / "sys/kernel/security/lockdown");
  const std::size_t begin = text.find('[');
  const std::size_t end = text.find(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return text.substr(begin + 1, end - begin - 1);
}

// proc_keys_show: id, flags, usage, timeout, permissions, uid, gid, type, "NAME: COUNT" or
// "NAME: empty".
std::vector<Keyring> ReadKeyrings(const fs::path& root) {
  std::vector<Keyring> keyrings;
  for (const std::string& line : Split(ReadKernelText(root / "proc/keys"), '\n')) {
    const std::vector<std::string> words = Split(line, ' ');
    if (words.size() < 10 || words[7] != "keyring" || !words[8].ends_with(':')) continue;
    const std::string name = words[8].substr(0, words[8].size() - 1);
    if (std::ranges::find(kKeyrings, name) == std::end(kKeyrings)) continue;
    keyrings.push_back({name, ToNumber(words[9])});
  }
  return keyrings;
}

std::uint64_t KeysIn(const KernelState& state, const std::string& name) {
  std::uint64_t keys = 0;
  for (const Keyring& keyring : state.keyrings) {
    if (keyring.name == name) keys += keyring.keys;
  }
  return keys;
}

bool Has(const std::vector<std::string>& list, const std::string& word) {
  return std::ranges::find(list, word) != list.end();
}

Feature Measuring(const ImaState& ima) {
  if (!ima.present)
    return {"measure", false, "the kernel has no IMA, or securityfs is not mounted"};
  if (ima.custom_policy == CustomPolicy::kLoaded ||
      ima.custom_policy == CustomPolicy::kExtensible) {
    return {"measure", true, "by a policy that was loaded"};
  }
  if (!ima.boot_policies.empty())
    return {"measure", true, "by a policy that the kernel was booted with"};
  return {"measure", false, "no policy is loaded: nothing but the boot aggregate is measured"};
}

Feature LoadingPolicy(const ImaState& ima) {
  switch (ima.custom_policy) {
    case CustomPolicy::kNotLoaded:
      return {"load-policy", true, "the kernel takes one policy in this boot"};
    case CustomPolicy::kExtensible:
      return {"load-policy", true, "the kernel takes rules in addition to those loaded"};
    case CustomPolicy::kLoaded:
      return {"load-policy", false,
              "a policy was loaded, and this kernel takes one a boot; install one for the next"};
    case CustomPolicy::kUnknown:
      break;
  }
  return {"load-policy", false, "the kernel has no IMA, or its policy file is not to be seen"};
}

Feature Appraising(const KernelState& state) {
  if (!state.ima.present) return {"appraise", false, "the kernel has no IMA"};
  if (state.ima.appraisal == "off") {
    return {"appraise", false, "switched off on the kernel's command line (ima_appraise=off)"};
  }
  const std::string keys = ".ima has " + std::to_string(KeysIn(state, ".ima")) + " keys, _ima " +
                           std::to_string(KeysIn(state, "_ima"));
  if (KeysIn(state, ".ima") + KeysIn(state, "_ima") == 0) {
    return {"appraise", false, "no key to check signatures with: " + keys};
  }
  return {"appraise", true, "mode " + state.ima.appraisal + "; " + keys};
}

Feature EvmSignatures(const KernelState& state) {
  if (!state.evm.present) return {"evm-signatures", false, "the kernel has no EVM"};
  if ((state.evm.value & EvmState::kSignatures) == 0) {
    return {"evm-signatures", false, "not switched on: 2 was not written to securityfs/evm"};
  }
  return {"evm-signatures", true,
          "on; .evm has " + std::to_string(KeysIn(state, ".evm")) + " keys, _evm " +
              std::to_string(KeysIn(state, "_evm"))};
}

Feature EvmHmac(const KernelState& state) {
  if (!state.evm.present) return {"evm-hmac", false, "the kernel has no EVM"};
  if ((state.evm.value & EvmState::kHmac) != 0) return {"evm-hmac", true, "on"};
  // evm_inode_init_security with the BPF module and no other that labels new files.
  if (Has(state.security_modules, "bpf") && !Has(state.security_modules, "selinux") &&
      !Has(state.security_modules, "smack")) {
    return {"evm-hmac", false,
            "not safe here: with the security module bpf and without SELinux this kernel crashes "
            "when a file is made; boot with SELinux, or with lsm= without bpf"};
  }
  return {"evm-hmac", false, "not switched on: no EVM key was loaded"};
}

}  // namespace

std::string ReadKernelText(const fs::path& path) {
  const Result<Bytes> content = ReadFile(path.string(), kMaxText);
  if (!content.ok()) return {};
  std::string text(AsText(*content));
  text.erase(text.find_last_not_of(std::string("\n\0 ", 3)) + 1);
  return text;
}

std::uint64_t ToNumber(const std::string& text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The file takes a policy. It is gone once one was loaded, unless the kernel was built to take more
// (then it stays writable) or to show it (then it stays readable).
CustomPolicy ReadCustomPolicy(const fs::path& ima, std::uint64_t entries) {
  std::error_code error;
  const fs::file_status status = fs::status(ima / "policy", error);
  if (!fs::exists(status)) return entries > 0 ? CustomPolicy::kLoaded : CustomPolicy::kUnknown;
  const fs::perms mode = status.permissions();
  const bool readable = (mode & fs::perms::owner_read) != fs::perms::none;
  const bool writable = (mode & fs::perms::owner_write) != fs::perms::none;
  if (!writable) return CustomPolicy::kLoaded;
  return readable ? CustomPolicy::kExtensible : CustomPolicy::kNotLoaded;
}

KernelState ReadKernelState(const fs::path& root) {
  KernelState state;
  state.ima = ReadIma(root, ReadKernelText(root / "proc/cmdline"));
  state.evm = ReadEvm(root);
  state.lockdown = ReadLockdown(root);
  state.security_modules = Split(ReadKernelText(root / "sys/kernel/security/lsm"), ',');
  state.keyrings = ReadKeyrings(root);
  state.features = {Measuring(state.ima), LoadingPolicy(state.ima), Appraising(state),
                    EvmSignatures(state), EvmHmac(state)};
  return state;
}

}  // namespace seaworthy::integrity
