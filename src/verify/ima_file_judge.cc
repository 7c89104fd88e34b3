#include "verify/ima_file_judge.h"

#include <algorithm>

#include "seaworthy/allowed_files.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::verify {
namespace {

std::string Text(const std::vector<FileDigest>& digests) {
  std::string text;
  for (const FileDigest& digest : digests) {
    text += (text.empty() ? "" : ", ") + digest.hash + ":" + Hex(digest.digest);
  }
  return text;
}

}  // namespace

Severity SeverityOf(Judge judge) {
  return judge == Judge::kFail ? Severity::kFailure : Severity::kWarning;
}

bool IsExcluded(const ImaPolicy& policy, std::string_view path) {
  return std::ranges::any_of(policy.exclude, [path](std::string_view pattern) {
    if (!pattern.ends_with('*')) return path == pattern;
    return path.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

std::optional<Finding> JudgeFile(const ImaFileRules& rules, const ImaFields& fields,
                                 ImaFileTable::Place place) {
  const ImaFileTable::Answer answer = rules.files.Find(place, fields);
  if (answer == ImaFileTable::Answer::kAllowed) return std::nullopt;
  const bool known = answer == ImaFileTable::Answer::kOther;
  if (!known && IsExcluded(rules.policy, fields.path)) return std::nullopt;
  Finding finding = {.code = known ? "IMA_FILE_CHANGED" : "IMA_FILE_UNLISTED",
                     .expected = known ? Text(rules.policy.files.find(fields.path)->second) : "",
                     .found = std::string(fields.hash) + ":" + Hex(fields.digest),
                     .sentence = known ? "The file is not what the policy allows it to be."
                                       : "The policy does not know this file."};
  if (!rules.keys.empty()) {
    const Status signed_by_one = rules.keys.Check(fields);
    if (signed_by_one.ok()) return std::nullopt;
    finding.code = Reason(signed_by_one);
    finding.sentence += " And " + Message(signed_by_one) + ".";
  }
  if (!known) {
    if (rules.policy.unlisted == Judge::kIgnore) return std::nullopt;
    finding.severity = SeverityOf(rules.policy.unlisted);
  }
  return finding;
}

struct AllowedFiles::Ready {
  Ready(ImaPolicy given, ImaKeys read) : policy(std::move(given)), keys(std::move(read)) {}

  const ImaPolicy policy;
  const ImaFileTable files{policy};
  const ImaKeys keys;
};

AllowedFiles::AllowedFiles(std::unique_ptr<Ready> ready) : ready_(std::move(ready)) {}
AllowedFiles::AllowedFiles(AllowedFiles&&) noexcept = default;
AllowedFiles& AllowedFiles::operator=(AllowedFiles&&) noexcept = default;
AllowedFiles::~AllowedFiles() = default;

Result<AllowedFiles> AllowedFiles::Create(ImaPolicy policy) {
  ASSIGN_OR_RETURN(ImaKeys keys, ImaKeys::Parse(policy.keys));
  return AllowedFiles(std::make_unique<Ready>(std::move(policy), std::move(keys)));
}

std::optional<Finding> AllowedFiles::Judge(const ImaFields& fields) const {
  return JudgeFile({ready_->policy, ready_->files, ready_->keys}, fields,
                   ready_->files.Seek(fields.path));
}

}  // namespace seaworthy::verify
