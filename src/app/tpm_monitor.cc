#include "tpm_monitor.h"

namespace seaworthy::app {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFresh{1'000};
constexpr milliseconds kWhileWell{60'000};
constexpr milliseconds kWhileAway{2'000};
constexpr milliseconds kReadDeadline{5'000};
// A read and what is done after it, which may wait for the TPM as well.
constexpr milliseconds kWholeRound{60'000};

}  // namespace

TpmMonitor::TpmMonitor(tpm::Broker& broker, std::function<void()> after_read)
    : broker_(broker),
      after_read_(std::move(after_read)),
      health_(Fail(Code::kUnavailable, "TPM_NOT_READ", "the TPM has not answered yet")) {}

TpmMonitor::~TpmMonitor() { Stop(); }

void TpmMonitor::Start() {
  thread_ = std::thread([this] { Run(); });
}

void TpmMonitor::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void TpmMonitor::Poke() {
  const std::lock_guard lock(mutex_);
  wanted_ = true;
  changed_.notify_all();
}

bool TpmMonitor::OnTime() const {
  const std::lock_guard lock(mutex_);
  return !back_by_ || std::chrono::steady_clock::now() < *back_by_;
}

TpmMonitor::Snapshot TpmMonitor::Latest(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const Deadline fresh_since = std::chrono::steady_clock::now() - kFresh;
  if (read_at_ < fresh_since) {
    wanted_ = true;
    changed_.notify_all();
    changed_.wait_until(lock, deadline, [&] { return stop_ || read_at_ >= fresh_since; });
  }
  Snapshot snapshot{health_, properties_};
  // A call that lost the TPM since then knows better.
  const Status now = broker_.health();
  if (snapshot.health.ok() && !now.ok()) snapshot.health = now;
  return snapshot;
}

void TpmMonitor::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    changed_.wait_for(lock, health_.ok() ? kWhileWell : kWhileAway,
                      [&] { return stop_ || wanted_; });
    if (stop_) return;
    wanted_ = false;
    back_by_ = DeadlineIn(kWholeRound);
    lock.unlock();
    Read();
    after_read_();
    lock.lock();
    back_by_.reset();
  }
}

void TpmMonitor::Read() {
  Result<tpm::Properties> properties =
      broker_.Run(DeadlineIn(kReadDeadline),
                  [](tpm::Context& context) { return tpm::ReadProperties(context); });
  const Status busy_or_away = properties.status();
  const std::lock_guard lock(mutex_);
  if (properties.ok()) {
    properties_ = *std::move(properties);
    health_ = Status();
  } else if (Reason(busy_or_away) == "TPM_BUSY" && broker_.health().ok()) {
    // Others use it, so it is there; what was read last still holds.
    health_ = properties_ ? Status() : busy_or_away;
  } else {
    health_ = busy_or_away;
  }
  read_at_ = std::chrono::steady_clock::now();
  changed_.notify_all();
}

}  // namespace seaworthy::app
