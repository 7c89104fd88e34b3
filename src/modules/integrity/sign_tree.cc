#include "seaworthy/modules/integrity/sign_tree.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

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

// Files on their way to their signatures. The TPM signs one at a time; some threads read and write
// while it signs for one of them, and what has gathered meanwhile is asked for at once, as a call
// of the daemon may cost as much as a signature.
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
    changed_.wait(lock, [this] { return next_.size() < kThreads * kAtOnce || !ended_.ok(); });
    if (ended_.ok()) next_.push_back({path, std::move(own)});
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
  static constexpr std::size_t kThreads = 3;
  // Few enough that a slow TPM is through with them long before a call's deadline.
  static constexpr std::size_t kAtOnce = 16;

  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !next_.empty() || last_ || !ended_.ok(); });
      if (next_.empty() || !ended_.ok()) return;
      const std::vector<File> files = Take();
      changed_.notify_all();
      lock.unlock();
      const Status status = Sign(files);
      lock.lock();
      if (ended_.ok()) ended_ = status;
      if (!ended_.ok()) changed_.notify_all();
    }
  }

  // This thread's share of what waits.
  std::vector<File> Take() {
    std::vector<File> files;
    for (std::size_t left = std::max<std::size_t>(next_.size() / kThreads, 1); left > 0; --left) {
      files.push_back(std::move(next_.front()));
      next_.pop_front();
    }
    return files;
  }

  // What ends the run.
  Status Sign(const std::vector<File>& files) {
    std::vector<std::string> paths;
    std::vector<FileSigning> signings;
    for (const File& file : files) {
      Result<FileSigning> signing = FileSigning::Read(run_.deadline, file.fd.get(), options_);
      if (signing.ok()) {
        paths.push_back(file.path);
        signings.push_back(*std::move(signing));
      } else {
        RETURN_IF_ERROR(Done(file.path, nullptr, signing.status()));
      }
    }
    {
      const std::lock_guard turn(at_the_tpm_);
      RETURN_IF_ERROR(FileSigning::Sign(signings, signer_));
    }
    std::vector<Status> written;
    for (const FileSigning& signing : signings) {
      written.push_back(signing.changes() ? signing.Write() : Status());
    }
    for (std::size_t i = 0; i < signings.size(); ++i) {
      if (written[i].ok() && signings[i].changes()) written[i] = signings[i].Sync();
      RETURN_IF_ERROR(Done(paths[i], &signings[i], written[i]));
    }
    return {};
  }

  // Counts the file. What ends the run.
  Status Done(const std::string& path, const FileSigning* signing, const Status& status) {
    if (status.code() == Code::kDeadlineExceeded) return Wrap(status, path);
    const std::lock_guard lock(mutex_);
    if (signing != nullptr) now_.bytes += signing->bytes();
    if (!status.ok()) {
      TellFailure(path, status);
    } else {
      ++(signing->changes() ? now_.done : now_.skipped);
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

  std::mutex at_the_tpm_;
  std::mutex mutex_;  // guards what follows, and calls of run_.failed and progress_
  std::condition_variable changed_;
  std::deque<File> next_;
  bool last_ = false;
  Status ended_;
  SignProgress now_;
  std::array<std::thread, kThreads> threads_;
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
