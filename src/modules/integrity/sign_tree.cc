#include "seaworthy/modules/integrity/sign_tree.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
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

// Files on their way to their signatures, several at once: the TPM signs one at a time, and the
// next is to be asked for while one is written.
class Signing {
 public:
  Signing(const TreeRun& run, const FileSigner& signer, const SignatureOptions& options,
          const std::function<bool(const SignProgress&)>& progress)
      : run_(run), signer_(signer), options_(options), progress_(progress) {
    for (std::thread& thread : threads_) thread = std::thread([this] { Run(); });
  }
  ~Signing() { static_cast<void>(Finish()); }
  Signing(const Signing&) = delete;
  Signing& operator=(const Signing&) = delete;

  // Waits while all are busy. What ended the run, if something did.
  Status Add(const std::string& path, int fd) {
    UniqueFd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!own) return FromErrno(errno, "dup");
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !next_ || !ended_.ok(); });
    if (ended_.ok()) next_ = {path, std::move(own)};
    changed_.notify_all();
    return ended_;
  }

  void Failed(const std::string& path, const Status& why) {
    const std::lock_guard lock(mutex_);
    TellFailure(path, why);
  }

  // Waits for what is under way.
  Result<SignProgress> Finish() {
    {
      const std::lock_guard lock(mutex_);
      last_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    RETURN_IF_ERROR(ended_);
    return now_;
  }

 private:
  struct File {
    std::string path;
    UniqueFd fd;
  };
  // One is at the TPM while the others read and write.
  static constexpr std::size_t kAtOnce = 3;

  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return next_ || last_ || !ended_.ok(); });
      if (!next_ || !ended_.ok()) return;
      const File file = *std::exchange(next_, std::nullopt);
      changed_.notify_all();
      lock.unlock();
      const Status status = Sign(file);
      lock.lock();
      if (ended_.ok()) ended_ = status;
      if (!ended_.ok()) changed_.notify_all();
    }
  }

  // What ends the run.
  Status Sign(const File& file) {
    Result<FileSigning> signing = FileSigning::Read(run_.deadline, file.fd.get(), options_);
    Status status = signing.status();
    bool changes = false;
    if (signing.ok()) {
      const Result<bool> made = signing->Sign(signer_);
      if (!made.ok()) return Wrap(made.status(), file.path);
      changes = *made;
      if (changes) status = signing->Write();
    }
    if (status.code() == Code::kDeadlineExceeded) return Wrap(status, file.path);
    const std::lock_guard lock(mutex_);
    if (signing.ok()) now_.bytes += signing->bytes();
    if (!status.ok()) {
      TellFailure(file.path, status);
    } else {
      ++(changes ? now_.done : now_.skipped);
    }
    return Tell(progress_, now_);
  }

  void TellFailure(const std::string& path, const Status& why) {
    ++now_.failed;
    if (run_.failed) run_.failed(path, why);
  }

  const TreeRun& run_;
  const FileSigner& signer_;
  const SignatureOptions& options_;
  const std::function<bool(const SignProgress&)>& progress_;

  std::mutex mutex_;  // guards what follows, and calls of run_.failed and progress_
  std::condition_variable changed_;
  std::optional<File> next_;
  bool last_ = false;
  Status ended_;
  SignProgress now_;
  std::array<std::thread, kAtOnce> threads_;
};

}  // namespace

Result<SignProgress> SignTree(const std::string& root, const TreeRun& run, const FileSigner& signer,
                              const SignatureOptions& options,
                              const std::function<bool(const SignProgress&)>& progress) {
  Signing signing(run, signer, options, progress);
  TreeRun walk = run;
  walk.failed = [&](const std::string& path, const Status& why) { signing.Failed(path, why); };
  RETURN_IF_ERROR(ForEachFile(
      root, walk, [&](const std::string& path, int fd) { return signing.Add(path, fd); }));
  return signing.Finish();
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
