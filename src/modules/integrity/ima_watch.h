// Follows the IMA list on a thread of its own, and tells what is found in it.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "modules/integrity/ima_collector.h"
#include "modules/integrity/last_boot.h"
#include "seaworthy/allowed_files.h"
#include "seaworthy/events.h"
#include "seaworthy/modules/integrity/ima_list_state.h"
#include "seaworthy/tpm/broker.h"

namespace seaworthy::integrity {

// A quiet list costs a look at the kernel's count twice a second, and no TPM command. What is new
// costs reading it, and one TPM2_PCR_Read a round. Thread-safe.
class ImaWatch {
 public:
  struct Options {
    // The binary list; beside it the kernel's runtime_measurements_count, without which the file's
    // size tells whether there is more.
    std::string list;
    std::string state_dir;
    std::filesystem::path root = "/";  // of the kernel's other files; another one in tests
  };

  ImaWatch(Options options, tpm::Broker& broker, Events& events);
  ~ImaWatch();

  void Start();
  void Stop();

  // From now on the files of the list are judged by these, all of it anew; nothing: by none.
  void Allow(std::shared_ptr<const verify::AllowedFiles> files);

  ImaListState state() const;
  // SHA-256, hex, of the policy's file when this boot's policy was first seen; empty when none is.
  std::string active_policy() const;
  // Whether the thread is where it should be.
  bool OnTime() const;

 private:
  using Clock = std::chrono::steady_clock;

  // Of one round; too many of them are told as a number.
  struct News {
    std::vector<Event> events;
    std::uint64_t untold = 0;
  };

  void Run();
  // Whether there is more to do at once.
  bool Round();
  void BeginAnew();
  Status OpenList();
  // Whether there is nothing to read or to compare; FAILED_PRECONDITION (IMA_LIST_SHRUNK).
  Result<bool> IsQuiet() const;
  bool ReadOn();
  Result<Bytes> ReadPcr10();
  void Look(const verify::ImaEntry& entry, News& news);
  void Compared(bool found);
  void Tell(News news);
  void SetProblem(const Status& problem);
  Status RecogniseBoot();
  void LookAtPolicy();
  // Has active_policy() tell what boot_ knows.
  void ShowPolicy();
  // The same, and writes boot_ down.
  Status KeepBoot();

  const Options options_;
  tpm::Broker& broker_;
  Events& events_;

  // The thread's own.
  std::optional<ImaCollector> collector_;
  std::shared_ptr<const verify::AllowedFiles> allowed_;
  std::uint64_t violations_ = 0;
  std::uint64_t unexpected_ = 0;
  std::size_t bank_ = 0;            // of kBanks, the first that the TPM has
  unsigned misses_ = 0;             // comparisons in a row without success
  bool told_ = false;               // of the problem there is
  Clock::time_point open_at_;       // the list, not before
  Clock::time_point compare_at_;    // with PCR 10 when nothing is new, not before
  Clock::time_point recognise_at_;  // the boot, not before
  std::optional<LastBoot> boot_;    // once it is recognised

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  ImaListState state_;
  std::string active_policy_;
  std::optional<std::shared_ptr<const verify::AllowedFiles>> wanted_;
  std::optional<Clock::time_point> back_by_;  // the thread is in a round until then at the latest
  bool stop_ = false;
  std::thread thread_;
};

// SHA-256, hex, of the policy that is loaded at boot; empty when there is none or it cannot be
// read.
std::string InstalledPolicySha256(const std::filesystem::path& root);

}  // namespace seaworthy::integrity
