#include "seaworthy/modules/integrity.h"

#include "modules/integrity/ima_watch.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

Result<std::shared_ptr<const verify::AllowedFiles>> ReadAllowedFiles(const std::string& path) {
  if (path.empty()) return nullptr;
  ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, verify::kMaxPolicyFile));
  Result<verify::Policy> policy = verify::ParsePolicy(AsText(file));
  if (!policy.ok()) return Wrap(policy.status(), path);
  if (!policy->ima.required) {
    return Fail(Code::kInvalidArgument, "POLICY_WITHOUT_FILES", path + ": has no part \"ima\"");
  }
  Result<verify::AllowedFiles> files = verify::AllowedFiles::Create(std::move(policy->ima));
  if (!files.ok()) return Wrap(files.status(), path);
  return std::make_shared<const verify::AllowedFiles>(*std::move(files));
}

}  // namespace

Integrity::Integrity(tpm::Broker& broker, Events& events, Options options)
    : options_(std::move(options)),
      events_(events),
      watch_(std::make_unique<ImaWatch>(
          ImaWatch::Options{.list = options_.ima_list, .state_dir = options_.state_dir}, broker,
          events)) {}

Integrity::~Integrity() = default;

Status Integrity::Start() {
  // What is wrong with the file is in Check(); the list is followed all the same.
  static_cast<void>(Allow(options_.allowed_files));
  watch_->Start();
  return {};
}

void Integrity::Stop() noexcept { watch_->Stop(); }

Status Integrity::Allow(const std::string& allowed_files) {
  Result<std::shared_ptr<const verify::AllowedFiles>> files = ReadAllowedFiles(allowed_files);
  const std::lock_guard lock(mutex_);
  allowed_files_ = files.status();
  if (files.ok()) watch_->Allow(*std::move(files));
  return allowed_files_;
}

ImaListState Integrity::list() const { return watch_->state(); }

std::string Integrity::active_policy() const { return watch_->active_policy(); }

Health Integrity::Check() const {
  if (!watch_->OnTime()) {
    return {Health::Level::kDegraded, "the IMA list has not been looked at for a minute"};
  }
  const Status problem = watch_->state().problem;
  // Without IMA there is nothing to follow; without the TPM its own health says so.
  if (!problem.ok() && problem.code() == Code::kFailedPrecondition) {
    return {Health::Level::kDegraded, Reason(problem) + ": " + Message(problem)};
  }
  const std::lock_guard lock(mutex_);
  if (allowed_files_.ok()) return {};
  return {Health::Level::kDegraded, Reason(allowed_files_) + ": " + Message(allowed_files_)};
}

}  // namespace seaworthy::integrity
