#include "seaworthy/modules/integrity/sign_tree.h"

#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

// `run`, with the failures counted.
TreeRun Counting(const TreeRun& run, std::uint64_t& failed) {
  TreeRun counting = run;
  counting.failed = [&](const std::string& path, const Status& why) {
    ++failed;
    if (run.failed) run.failed(path, why);
  };
  return counting;
}

template <class Progress>
Status Tell(const std::function<bool(const Progress&)>& progress, const Progress& now) {
  if (!progress || progress(now)) return {};
  return Fail(Code::kCancelled, "CANCELLED", "the caller wants no more of it");
}

}  // namespace

Result<SignProgress> SignTree(const std::string& root, const TreeRun& run, const FileSigner& signer,
                              const SignatureOptions& options,
                              const std::function<bool(const SignProgress&)>& progress) {
  SignProgress now;
  const TreeRun counting = Counting(run, now.failed);
  const auto sign = [&](const std::string& path, int fd) -> Status {
    Result<FileSigning> file = FileSigning::Read(run.deadline, fd, options);
    Status status = file.status();
    bool changes = false;
    if (file.ok()) {
      now.bytes += file->bytes();
      const Result<bool> made = file->Sign(signer);
      if (!made.ok()) return Wrap(made.status(), path);
      changes = *made;
      if (changes) status = file->Write();
    }
    if (status.code() == Code::kDeadlineExceeded) return Wrap(status, path);
    if (!status.ok()) {
      counting.failed(path, status);
    } else {
      ++(changes ? now.done : now.skipped);
    }
    return Tell(progress, now);
  };
  RETURN_IF_ERROR(ForEachFile(root, counting, sign));
  return now;
}

Result<CheckProgress> CheckTree(const std::string& root, const TreeRun& run,
                                const verify::ImaKeys& keys, const SignatureOptions& options,
                                const std::function<bool(const CheckProgress&)>& progress) {
  CheckProgress now;
  const auto count = [&](const std::string& reason) {
    if (reason == "IMA_SIGNATURE_MISSING") return &now.missing;
    if (reason == "IMA_KEY_UNKNOWN") return &now.other_key;
    const bool bad = reason == "IMA_SIGNATURE_INVALID" || reason == "IMA_SIGNATURE_MALFORMED";
    return bad ? &now.bad : &now.failed;
  };
  const auto check = [&](const std::string& path, int fd) -> Status {
    std::uint64_t bytes = 0;
    const Status status = CheckFile(run.deadline, fd, keys, options, bytes);
    now.bytes += bytes;
    if (status.code() == Code::kDeadlineExceeded) return Wrap(status, path);
    if (status.ok()) {
      ++now.ok;
    } else {
      ++*count(Reason(status));
      if (run.failed) run.failed(path, status);
    }
    return Tell(progress, now);
  };
  RETURN_IF_ERROR(ForEachFile(root, Counting(run, now.failed), check));
  return now;
}

}  // namespace seaworthy::integrity
