// The words of IMA policies, each written once, for reading and writing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

template <class T>
using Word = std::pair<std::string_view, T>;

// In the order of the enumerations.
inline constexpr Word<ImaAction> kActions[] = {
    {"measure", ImaAction::kMeasure},   {"dont_measure", ImaAction::kDontMeasure},
    {"appraise", ImaAction::kAppraise}, {"dont_appraise", ImaAction::kDontAppraise},
    {"audit", ImaAction::kAudit},       {"hash", ImaAction::kHash},
    {"dont_hash", ImaAction::kDontHash}};

// The first of two names for one hook is the one that is written.
inline constexpr Word<ImaFunc> kFuncs[] = {{"FILE_CHECK", ImaFunc::kFileCheck},
                                           {"PATH_CHECK", ImaFunc::kFileCheck},
                                           {"MMAP_CHECK", ImaFunc::kMmapCheck},
                                           {"FILE_MMAP", ImaFunc::kMmapCheck},
                                           {"BPRM_CHECK", ImaFunc::kBprmCheck},
                                           {"CREDS_CHECK", ImaFunc::kCredsCheck},
                                           {"MODULE_CHECK", ImaFunc::kModuleCheck},
                                           {"FIRMWARE_CHECK", ImaFunc::kFirmwareCheck},
                                           {"KEXEC_KERNEL_CHECK", ImaFunc::kKexecKernelCheck},
                                           {"KEXEC_INITRAMFS_CHECK", ImaFunc::kKexecInitramfsCheck},
                                           {"POLICY_CHECK", ImaFunc::kPolicyCheck},
                                           {"KEXEC_CMDLINE", ImaFunc::kKexecCmdline},
                                           {"KEY_CHECK", ImaFunc::kKeyCheck},
                                           {"CRITICAL_DATA", ImaFunc::kCriticalData},
                                           {"SETXATTR_CHECK", ImaFunc::kSetxattrCheck}};

inline constexpr Word<std::uint8_t> kMasks[] = {{"MAY_EXEC", kMayExec},
                                                {"MAY_WRITE", kMayWrite},
                                                {"MAY_READ", kMayRead},
                                                {"MAY_APPEND", kMayAppend}};

inline constexpr Word<ImaLabel> kLabels[] = {
    {"subj_user", ImaLabel::kSubjUser}, {"subj_role", ImaLabel::kSubjRole},
    {"subj_type", ImaLabel::kSubjType}, {"obj_user", ImaLabel::kObjUser},
    {"obj_role", ImaLabel::kObjRole},   {"obj_type", ImaLabel::kObjType}};

inline constexpr Word<ImaAppraiseType> kAppraiseTypes[] = {
    {"imasig", ImaAppraiseType::kImasig},
    {"sigv3", ImaAppraiseType::kSigv3},
    {"imasig|modsig", ImaAppraiseType::kImasigOrModsig}};

// The hashes that Debian's kernel has of those that IMA knows.
inline constexpr std::string_view kHashes[] = {
    "md4",    "md5",   "sha1",  "rmd160", "sha256",      "sha384",     "sha512",
    "sha224", "wp256", "wp384", "wp512",  "streebog256", "streebog512"};

// What a word means; nothing when it is not in the list.
template <class T, std::size_t size>
std::optional<T> Meaning(const Word<T> (&words)[size], std::string_view word) {
  const auto* found = std::ranges::find(words, word, &Word<T>::first);
  return found == std::end(words) ? std::nullopt : std::optional(found->second);
}

// The word for `value`, which has one.
template <class T, std::size_t size>
std::string_view WordFor(const Word<T> (&words)[size], T value) {
  return std::ranges::find(words, value, &Word<T>::second)->first;
}

// For a message.
template <class T, std::size_t size>
std::string AllWords(const Word<T> (&words)[size]) {
  std::string all;
  for (const auto& [word, value] : words) {
    if (!all.empty()) all += ", ";
    all += word;
  }
  return all;
}

}  // namespace seaworthy::integrity
