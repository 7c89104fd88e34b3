// The language of IMA policies: what Linux 6.1 takes at /sys/kernel/security/ima/policy, as plain
// data. What the kernel would refuse is refused here, with the line and the word.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::integrity {

enum class ImaAction : std::uint8_t {
  kMeasure,
  kDontMeasure,
  kAppraise,
  kDontAppraise,
  kAudit,
  kHash,
  kDontHash
};

// What is decided by itself: of each kind the first rule that matches decides.
enum class ImaKind : std::uint8_t { kMeasure, kAppraise, kAudit, kHash };
ImaKind KindOf(ImaAction action);

// The kernel's hooks that a rule can name, in the kernel's order.
enum class ImaFunc : std::uint8_t {
  kFileCheck,
  kMmapCheck,
  kBprmCheck,
  kCredsCheck,
  kModuleCheck,
  kFirmwareCheck,
  kKexecKernelCheck,
  kKexecInitramfsCheck,
  kPolicyCheck,
  kKexecCmdline,
  kKeyCheck,
  kCriticalData,
  kSetxattrCheck
};

// What is asked by the name of a hook and looks at no file: rules without func= do not match it,
// and of those with it the kernel looks at uid=, keyrings= and label= alone. SETXATTR_CHECK is
// asked for no access at all: the kernel keeps the algorithms of its first rule.
bool HasNoFile(std::optional<ImaFunc> func);

// Bits, as the kernel has them.
inline constexpr std::uint8_t kMayExec = 1;
inline constexpr std::uint8_t kMayWrite = 2;
inline constexpr std::uint8_t kMayRead = 4;
inline constexpr std::uint8_t kMayAppend = 8;

struct ImaMask {
  std::uint8_t bit = 0;
  bool among = false;  // "^": the access may ask for more than that
  bool operator==(const ImaMask&) const = default;
};

// uid=0, euid>999, fgroup<10.
struct ImaId {
  enum class Compare : std::uint8_t { kEqual, kAbove, kBelow };
  Compare compare = Compare::kEqual;
  bool effective = false;  // euid or egid
  std::uint32_t id = 0;
  bool operator==(const ImaId&) const = default;
};

enum class ImaLabel : std::uint8_t {
  kSubjUser,
  kSubjRole,
  kSubjType,
  kObjUser,
  kObjRole,
  kObjType
};

enum class ImaAppraiseType : std::uint8_t { kAny, kImasig, kSigv3, kImasigOrModsig };

using FsUuid = std::array<std::uint8_t, 16>;

struct ImaRule {
  std::size_t line = 0;
  ImaAction action = ImaAction::kMeasure;

  std::optional<ImaFunc> func;
  std::optional<ImaMask> mask;
  std::optional<std::uint64_t> fsmagic;
  std::optional<FsUuid> fsuuid;
  std::string fsname;  // empty: any; so are the other texts and lists
  std::optional<ImaId> uid;
  std::optional<ImaId> gid;
  std::optional<ImaId> fowner;
  std::optional<ImaId> fgroup;
  std::map<ImaLabel, std::string> labels;  // of SELinux
  std::vector<std::string> keyrings;
  std::vector<std::string> data_labels;  // "label="

  bool verity = false;
  ImaAppraiseType appraise_type = ImaAppraiseType::kAny;
  bool check_blacklist = false;
  std::uint32_t appraise_algos = 0;  // bits in the order of kHashes in ima_words.h
  bool permit_directio = false;
  std::optional<std::uint8_t> pcr;
  std::string_view template_name;  // of verify::kImaTemplates

  bool operator==(const ImaRule&) const = default;
};

struct ImaPolicy {
  std::vector<ImaRule> rules;
  bool operator==(const ImaPolicy&) const = default;
};

// How the kernel that is to take the policy was built; as Debian builds it when nothing is said.
struct ImaKernel {
  bool modsig = false;  // CONFIG_IMA_APPRAISE_MODSIG
};

inline constexpr std::size_t kMaxImaPolicy = std::size_t{1} << 20;

// At most kMaxImaPolicy bytes and 100,000 rules. INVALID_ARGUMENT, IMA_POLICY_MALFORMED, with line,
// word and reason. A policy without a rule is one; FindInImaPolicy tells.
Result<ImaPolicy> ParseImaPolicy(std::string_view text, const ImaKernel& kernel = {});

// Whether it has a rule that may deny a file.
bool Appraises(const ImaPolicy& policy);

// Without the line's end, words in one order: parsed again it is the same rule.
std::string FormatImaRule(const ImaRule& rule);
std::string FormatImaPolicy(const ImaPolicy& policy);

struct ImaFinding {
  std::size_t line = 0;     // 0: of the whole policy
  std::string_view reason;  // a stable word
  std::string text;
  bool operator==(const ImaFinding&) const = default;
};

// What the kernel takes and its writer can hardly have meant, in the order of the lines.
std::vector<ImaFinding> FindInImaPolicy(const ImaPolicy& policy);

// Whether each access that `later` would match is matched by `earlier`: when both are of one kind,
// `later` is never reached.
bool Catches(const ImaRule& earlier, const ImaRule& later);

// What the kernel knows of an access when it looks for a rule.
struct ImaAccess {
  ImaFunc func = ImaFunc::kFileCheck;
  std::uint8_t mask = kMayRead;
  // The file's superblock.
  std::uint64_t fsmagic = 0;
  FsUuid fsuuid = {};
  std::string fsname = {};
  std::uint32_t fowner = 0;
  std::uint32_t fgroup = 0;
  // The task. With CAP_SETUID its saved and real user are asked where euid is; CAP_SETGID likewise.
  std::uint32_t uid = 0;
  std::uint32_t euid = 0;
  std::uint32_t suid = 0;
  std::uint32_t gid = 0;
  std::uint32_t egid = 0;
  std::uint32_t sgid = 0;
  bool cap_setuid = false;
  bool cap_setgid = false;
  // SELinux contexts, user:role:type:level; empty without SELinux, and then no such condition
  // holds.
  std::string subject = {};
  std::string object = {};
  std::string data = {};  // the keyring of KEY_CHECK, the label of CRITICAL_DATA
};

// For each kind the rule that decides, a "dont_" rule among them; nullptr: none does.
struct ImaDecision {
  const ImaRule* measure = nullptr;
  const ImaRule* appraise = nullptr;
  const ImaRule* audit = nullptr;
  // nullptr, too, when an appraise rule that comes after the hash rule takes it back.
  const ImaRule* hash = nullptr;
};

// The pointers are into `policy`.
ImaDecision MatchImaPolicy(const ImaPolicy& policy, const ImaAccess& access);

}  // namespace seaworthy::integrity
