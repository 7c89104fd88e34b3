#include "modules/integrity/ima_rule_check.h"

#include "modules/integrity/ima_words.h"

namespace seaworthy::integrity {
namespace {

// What a hook may be given beside its name, one bit each.
struct Part {
  unsigned bit;
  std::string_view word;
  bool (*in)(const ImaRule&);
};

constexpr unsigned kMask = 1U << 0;
constexpr unsigned kEffective = 1U << 1;
constexpr unsigned kUser = 1U << 2;
constexpr unsigned kFile = 1U << 3;
constexpr unsigned kSelinux = 1U << 4;
constexpr unsigned kKeyrings = 1U << 5;
constexpr unsigned kDataLabel = 1U << 6;
constexpr unsigned kVerity = 1U << 7;
constexpr unsigned kSignature = 1U << 8;
constexpr unsigned kModsig = 1U << 9;
constexpr unsigned kBlacklist = 1U << 10;
constexpr unsigned kAlgos = 1U << 11;
constexpr unsigned kDirectio = 1U << 12;

constexpr Part kParts[] = {
    {kMask, "mask=", [](const ImaRule& rule) { return rule.mask.has_value(); }},
    {kFile, "fsmagic=", [](const ImaRule& rule) { return rule.fsmagic.has_value(); }},
    {kFile, "fsuuid=", [](const ImaRule& rule) { return rule.fsuuid.has_value(); }},
    {kFile, "fsname=", [](const ImaRule& rule) { return !rule.fsname.empty(); }},
    {kEffective, "euid=", [](const ImaRule& rule) { return rule.uid && rule.uid->effective; }},
    {kUser, "uid=", [](const ImaRule& rule) { return rule.uid && !rule.uid->effective; }},
    {kEffective, "egid=", [](const ImaRule& rule) { return rule.gid && rule.gid->effective; }},
    {kUser, "gid=", [](const ImaRule& rule) { return rule.gid && !rule.gid->effective; }},
    {kFile, "fowner=", [](const ImaRule& rule) { return rule.fowner.has_value(); }},
    {kFile, "fgroup=", [](const ImaRule& rule) { return rule.fgroup.has_value(); }},
    {kSelinux, "a condition on a label", [](const ImaRule& rule) { return !rule.labels.empty(); }},
    {kKeyrings, "keyrings=", [](const ImaRule& rule) { return !rule.keyrings.empty(); }},
    {kDataLabel, "label=", [](const ImaRule& rule) { return !rule.data_labels.empty(); }},
    {kVerity, "digest_type=", [](const ImaRule& rule) { return rule.verity; }},
    {kModsig, "appraise_type=imasig|modsig",
     [](const ImaRule& rule) { return rule.appraise_type == ImaAppraiseType::kImasigOrModsig; }},
    {kSignature, "appraise_type=",
     [](const ImaRule& rule) { return rule.appraise_type != ImaAppraiseType::kAny; }},
    {kBlacklist, "appraise_flag=", [](const ImaRule& rule) { return rule.check_blacklist; }},
    {kAlgos, "appraise_algos=", [](const ImaRule& rule) { return rule.appraise_algos != 0; }},
    {kDirectio, "permit_directio", [](const ImaRule& rule) { return rule.permit_directio; }}};

constexpr unsigned kOnAccess = kMask | kEffective | kUser | kFile | kSelinux;
constexpr unsigned kOnAppraisal = kSignature | kAlgos | kDirectio;

unsigned AllowedBeside(std::optional<ImaFunc> func) {
  if (!func) return kOnAccess | kOnAppraisal | kVerity;
  switch (*func) {
    case ImaFunc::kFileCheck:
    case ImaFunc::kMmapCheck:
    case ImaFunc::kBprmCheck:
    case ImaFunc::kCredsCheck:
    case ImaFunc::kFirmwareCheck:
    case ImaFunc::kPolicyCheck:
      return kOnAccess | kOnAppraisal | kVerity;
    // What can have a signature appended to it.
    case ImaFunc::kModuleCheck:
    case ImaFunc::kKexecKernelCheck:
    case ImaFunc::kKexecInitramfsCheck:
      return kOnAccess | kOnAppraisal | kModsig | kBlacklist;
    case ImaFunc::kKexecCmdline:
      return kOnAccess & ~kMask;
    case ImaFunc::kKeyCheck:
      return kUser | kKeyrings;
    case ImaFunc::kCriticalData:
      return kUser | kDataLabel;
    case ImaFunc::kSetxattrCheck:
      return kAlgos | kSelinux;
  }
  return 0;
}

std::string RefusedWithAction(const ImaRule& rule) {
  if (rule.pcr && rule.action != ImaAction::kMeasure) return "pcr= goes with measure only";
  if (!rule.template_name.empty() && rule.action != ImaAction::kMeasure) {
    return "template= goes with measure only";
  }
  if (rule.action == ImaAction::kAppraise) return "";
  for (const Part& part : kParts) {
    if ((part.bit & (kSignature | kModsig | kBlacklist | kAlgos)) != 0 && part.in(rule)) {
      return std::string(part.word) + " goes with appraise only";
    }
  }
  return "";
}

std::string RefusedWithFunc(const ImaRule& rule) {
  const std::string func =
      rule.func ? "func=" + std::string(WordFor(kFuncs, *rule.func)) : "a rule without func=";
  const bool measures =
      rule.action == ImaAction::kMeasure || rule.action == ImaAction::kDontMeasure;
  if ((rule.func == ImaFunc::kKexecCmdline || rule.func == ImaFunc::kKeyCheck ||
       rule.func == ImaFunc::kCriticalData) &&
      !measures) {
    return func + " goes with measure and dont_measure only";
  }
  if (rule.func == ImaFunc::kSetxattrCheck) {
    if (rule.action != ImaAction::kAppraise) return func + " goes with appraise only";
    if (rule.appraise_algos == 0) return func + " needs appraise_algos=";
  }
  const unsigned allowed = AllowedBeside(rule.func);
  for (const Part& part : kParts) {
    if ((part.bit & allowed) == 0 && part.in(rule)) {
      return std::string(part.word) + " does not go with " + func;
    }
  }
  return "";
}

}  // namespace

std::string RefusedTogether(const ImaRule& rule, const ImaKernel& kernel) {
  if (std::string refused = RefusedWithAction(rule); !refused.empty()) return refused;
  if (std::string refused = RefusedWithFunc(rule); !refused.empty()) return refused;
  const bool modsig = rule.appraise_type == ImaAppraiseType::kImasigOrModsig;
  if (!kernel.modsig && (modsig || rule.check_blacklist)) {
    return std::string(modsig ? "appraise_type=imasig|modsig" : "appraise_flag=") +
           " needs a kernel built with CONFIG_IMA_APPRAISE_MODSIG; Debian's is not";
  }
  if (rule.check_blacklist && !modsig) {
    return "appraise_flag= needs appraise_type=imasig|modsig";
  }
  if (rule.action == ImaAction::kAppraise && rule.verity &&
      rule.appraise_type != ImaAppraiseType::kSigv3) {
    return "appraise with digest_type=verity needs appraise_type=sigv3";
  }
  return "";
}

}  // namespace seaworthy::integrity
