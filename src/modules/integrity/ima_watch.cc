#include "modules/integrity/ima_watch.h"

#include "modules/integrity/kernel_state.h"
#include "seaworthy/ima_signature.h"
#include "seaworthy/log.h"
#include "seaworthy/modules/integrity/install_policy.h"
#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/properties.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::integrity {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kRound{500};
// Of what can't be had: a list, a PCR that fits, the TPM.
constexpr milliseconds kRetry{10'000};
// A PCR may be extended without an entry; that is no list's news.
constexpr milliseconds kCompareQuiet{60'000};
// Generous, as a command that is broken off takes the connection with it.
constexpr milliseconds kTpmPatience{5'000};
// A longer list is read in several rounds, so that the thread can be stopped.
constexpr milliseconds kReadingTime{1'000};
constexpr milliseconds kWholeRound{60'000};
// Events of one round: what is beyond would push out those of others.
constexpr std::size_t kMaxTold = 32;
// A comparison may fall between the kernel's list and its PCR once, and hardly twice.
constexpr unsigned kMissesUntilMismatch = 2;
constexpr char kFolder[] = "integrity";

constexpr tpm::HashAlgorithm kBanks[] = {tpm::HashAlgorithm::kSha256, tpm::HashAlgorithm::kSha384,
                                         tpm::HashAlgorithm::kSha1};

Result<Directory> OpenFolder(const std::string& state_dir) {
  ASSIGN_OR_RETURN(const Directory state, Directory::Create(state_dir));
  return state.OpenSubdirectory(kFolder);
}

}  // namespace

std::string InstalledPolicySha256(const fs::path& root) {
  // systemd's comes first, and the kernel takes one.
  Result<Bytes> file = ReadFile(root.string() + PathOf(PolicyPlace::kSystemd), kMaxImaPolicy);
  if (!file.ok()) file = ReadFile(root.string() + PathOf(PolicyPlace::kBehindKeys), kMaxImaPolicy);
  if (!file.ok()) return {};
  const Result<Bytes> digest = verify::ImaDigest(verify::ImaHash::kSha256, *file);
  return digest.ok() ? Hex(*digest) : std::string();
}

ImaWatch::ImaWatch(Options options, tpm::Broker& broker, Events& events)
    : options_(std::move(options)), broker_(broker), events_(events) {}

ImaWatch::~ImaWatch() { Stop(); }

void ImaWatch::Start() {
  if (options_.list.empty()) return;
  thread_ = std::thread([this] { Run(); });
}

void ImaWatch::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void ImaWatch::Allow(std::shared_ptr<const verify::AllowedFiles> files) {
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(files);
  wake_.notify_all();
}

ImaListState ImaWatch::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::string ImaWatch::active_policy() const {
  const std::lock_guard lock(mutex_);
  return active_policy_;
}

bool ImaWatch::OnTime() const {
  const std::lock_guard lock(mutex_);
  return !back_by_ || Clock::now() < *back_by_;
}

void ImaWatch::Run() {
  bool more = true;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!more) wake_.wait_for(lock, kRound, [this] { return stop_ || wanted_; });
    if (stop_) return;
    const auto wanted = std::exchange(wanted_, std::nullopt);
    back_by_ = DeadlineIn(kWholeRound);
    lock.unlock();
    if (wanted) {
      allowed_ = *wanted;
      BeginAnew();
    }
    more = Round();
    lock.lock();
    back_by_.reset();
  }
}

void ImaWatch::BeginAnew() {
  collector_.reset();
  violations_ = 0;
  unexpected_ = 0;
  misses_ = 0;
  open_at_ = {};
  compare_at_ = {};
}

bool ImaWatch::Round() {
  if (!boot_ && Clock::now() >= recognise_at_) {
    recognise_at_ = Clock::now() + kRetry;
    if (const Status status = RecogniseBoot(); !status.ok()) {
      Log(Level::kDebug, "the boot is not recognised: " + Message(status));
    }
  }
  if (!collector_) {
    if (Clock::now() < open_at_) return false;
    if (const Status opened = OpenList(); !opened.ok()) {
      open_at_ = Clock::now() + kRetry;
      SetProblem(opened);
      return false;
    }
  }
  LookAtPolicy();
  const Result<bool> quiet = IsQuiet();
  if (!quiet.ok()) {
    SetProblem(quiet.status());
    BeginAnew();
    open_at_ = Clock::now() + kRetry;
    return false;
  }
  return !*quiet && ReadOn();
}

Status ImaWatch::OpenList() {
  ASSIGN_OR_RETURN(collector_,
                   ImaCollector::Open(options_.list, static_cast<std::uint16_t>(kBanks[bank_])));
  return {};
}

Result<bool> ImaWatch::IsQuiet() const {
  std::uint64_t now = 0;
  std::uint64_t before = collector_->entries();
  const fs::path count = fs::path(options_.list).replace_filename("runtime_measurements_count");
  if (const std::string text = ReadKernelText(count); !text.empty()) {
    now = ToNumber(text);
  } else {
    std::error_code ignored;
    now = fs::file_size(options_.list, ignored);
    before = collector_->bytes();
  }
  if (now < before) {
    return Fail(Code::kFailedPrecondition, "IMA_LIST_SHRUNK",
                options_.list + " has become shorter; no kernel's list does");
  }
  if (now > before) return false;
  return Clock::now() < compare_at_;
}

bool ImaWatch::ReadOn() {
  const Result<Bytes> pcr10 = ReadPcr10();
  if (!collector_) return true;  // it was for another bank
  News news;
  const Result<bool> found =
      collector_->ReadOn(pcr10.ok() ? ByteView(*pcr10) : ByteView(), DeadlineIn(kReadingTime),
                         [&](const verify::ImaEntry& entry) { Look(entry, news); });
  Tell(std::move(news));
  if (found.status().code() == Code::kDeadlineExceeded) return true;
  if (!found.ok()) {
    SetProblem(found.status());
    BeginAnew();
    open_at_ = Clock::now() + kRetry;
  } else if (pcr10.ok()) {
    Compared(*found);
  } else {
    compare_at_ = Clock::now() + kRetry;
    // A TPM that others keep busy is no problem of the list.
    if (Reason(pcr10.status()) != "TPM_BUSY") SetProblem(pcr10.status());
  }
  return false;
}

Result<Bytes> ImaWatch::ReadPcr10() {
  Result<std::vector<tpm::PcrValue>> values =
      broker_.Run(DeadlineIn(kTpmPatience), [this](tpm::Context& context) {
        return tpm::ReadPcrs(context, {{kBanks[bank_], 1U << verify::kImaPcr}});
      });
  if (Reason(values.status()) == "PCR_BANK_NOT_ALLOCATED" && bank_ + 1 < std::size(kBanks)) {
    ++bank_;
    BeginAnew();
  }
  RETURN_IF_ERROR(values.status());
  return std::move(values->front().digest);
}

void ImaWatch::Look(const verify::ImaEntry& entry, News& news) {
  const auto tell = [&](std::string type, std::string_view path, const std::string& what) {
    if (news.events.size() == kMaxTold) {
      ++news.untold;
      return;
    }
    news.events.push_back({.time = {},
                           .type = std::move(type),
                           .target = ToPlainText(path),
                           .message = "entry " + std::to_string(entry.number) + ": " + what});
  };
  const Result<verify::ImaFields> fields = verify::ParseImaFields(entry);
  if (entry.IsViolation()) {
    ++violations_;
    tell("integrity.violation", fields.ok() ? fields->path : "",
         "the file was open for writing while it was measured, or opened for writing while it was "
         "read");
    return;
  }
  if (!allowed_ || (fields.ok() && fields->path == verify::kBootAggregate)) return;
  if (!fields.ok()) {
    ++unexpected_;
    return tell("integrity.unexpected_file", "", Message(fields.status()));
  }
  const std::optional<verify::Finding> finding = allowed_->Judge(*fields);
  if (!finding) return;
  ++unexpected_;
  tell("integrity.unexpected_file", fields->path, finding->sentence + " [" + finding->code + "]");
}

void ImaWatch::Tell(News news) {
  {
    const std::lock_guard lock(mutex_);
    state_.entries = collector_->entries();
    state_.confirmed = collector_->confirmed();
    state_.bytes = collector_->bytes();
    state_.violations = violations_;
    state_.unexpected = unexpected_;
  }
  for (Event& event : news.events) {
    events_.Publish(std::move(event.type), std::move(event.target), std::move(event.message));
  }
  if (news.untold == 0) return;
  events_.Publish("integrity.more", "",
                  std::to_string(news.untold) +
                      " more entries were read at once of which there "
                      "would be such to say");
}

void ImaWatch::Compared(bool found) {
  if (found) {
    misses_ = 0;
    // The newest entry may have come between the kernel's list and its PCR.
    const bool all = collector_->confirmed() == collector_->entries();
    compare_at_ = Clock::now() + (all ? kCompareQuiet : milliseconds(0));
    return SetProblem({});
  }
  const bool again = ++misses_ < kMissesUntilMismatch;
  compare_at_ = Clock::now() + (again ? milliseconds(0) : kRetry);
  if (again) return;
  SetProblem(
      boot_ && boot_->kexec
          ? Fail(Code::kFailedPrecondition, "IMA_LIST_KEXEC",
                 "another kernel was started without a reset of the TPM: PCR 10 goes on from "
                 "the one before, whose list is gone; boot to have it vouched for")
          : Fail(Code::kFailedPrecondition, "IMA_LIST_MISMATCH",
                 "the IMA list is not what was measured: no beginning of it replays to PCR "
                 "10. It was cut or edited, or something else extended the PCR"));
}

void ImaWatch::SetProblem(const Status& problem) {
  {
    const std::lock_guard lock(mutex_);
    if (state_.problem == problem) return;
    state_.problem = problem;
  }
  if (problem.ok()) {
    if (!std::exchange(told_, false)) return;
    events_.Publish("integrity.list_confirmed", "", "the IMA list is what PCR 10 says, again");
    return;
  }
  // A kernel without IMA is as it is; the TPM's coming and going is told where it is seen.
  if (problem.code() == Code::kNotFound || problem.code() == Code::kUnavailable) return;
  told_ = true;
  Log(Level::kWarning, "the IMA list: " + Message(problem));
  events_.Publish("integrity.list_problem", Reason(problem), Message(problem));
}

Status ImaWatch::RecogniseBoot() {
  LastBoot now;
  now.boot_id = ReadKernelText(options_.root / "proc/sys/kernel/random/boot_id");
  if (now.boot_id.empty()) {
    return Fail(Code::kNotFound, "BOOT_UNKNOWN", "the kernel's boot_id cannot be read");
  }
  ASSIGN_OR_RETURN(now.reset_count, broker_.Run(DeadlineIn(kTpmPatience), tpm::ReadResetCount));
  ASSIGN_OR_RETURN(const Directory directory, OpenFolder(options_.state_dir));
  ASSIGN_OR_RETURN(const std::optional<LastBoot> last, ReadLastBoot(directory));
  if (last && last->boot_id == now.boot_id) {
    boot_ = *last;
    ShowPolicy();
    return {};
  }
  if (last) {
    now.kexec = last->reset_count == now.reset_count;
    now.policy_sha256 = last->policy_sha256;
    now.policy_boot_id = last->policy_boot_id;
    events_.Publish(now.kexec ? "integrity.kexec" : "integrity.boot", "",
                    now.kexec ? "another kernel was started without a reset of the TPM"
                              : "the node was booted; the IMA list began anew");
  }
  boot_ = std::move(now);
  return KeepBoot();
}

void ImaWatch::ShowPolicy() {
  const std::lock_guard lock(mutex_);
  active_policy_ = boot_->policy_boot_id == boot_->boot_id ? boot_->policy_sha256 : "";
}

Status ImaWatch::KeepBoot() {
  ShowPolicy();
  ASSIGN_OR_RETURN(const Directory directory, OpenFolder(options_.state_dir));
  return WriteLastBoot(directory, *boot_);
}

void ImaWatch::LookAtPolicy() {
  if (!boot_ || boot_->policy_boot_id == boot_->boot_id) return;
  const CustomPolicy policy =
      ReadCustomPolicy(options_.root / "sys/kernel/security/ima", collector_->entries());
  if (policy != CustomPolicy::kLoaded && policy != CustomPolicy::kExtensible) return;
  const std::string sha256 = InstalledPolicySha256(options_.root);
  if (sha256.empty()) return;
  const std::string before = std::exchange(boot_->policy_sha256, sha256);
  boot_->policy_boot_id = boot_->boot_id;
  if (before.empty() || before == sha256) {
    events_.Publish("integrity.policy_loaded", "sha256:" + sha256, "an IMA policy is loaded");
  } else {
    events_.Publish("integrity.policy_changed", "sha256:" + sha256,
                    "the IMA policy of this boot is another than the one before, sha256:" + before);
  }
  if (const Status kept = KeepBoot(); !kept.ok()) {
    Log(Level::kWarning, "the IMA policy's digest is not kept: " + Message(kept));
  }
}

}  // namespace seaworthy::integrity
