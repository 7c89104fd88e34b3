#include "seaworthy/tpm/broker.h"

#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>

#include "seaworthy/status_macros.h"
#include "tpm/context.h"
#include "tpm/srk.h"

namespace seaworthy::tpm {
namespace {

// A lock with a deadline that is given in the order in which it was asked for: under load a
// plain timed mutex lets some callers starve.
class Turnstile {
 public:
  bool Enter(Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!busy_ && waiting_.empty()) {
      busy_ = true;
      return true;
    }
    Waiter self;
    waiting_.push_back(&self);
    // Leave() hands the turn over by setting `called`, so busy_ stays true in between.
    if (self.changed.wait_until(lock, deadline, [&] { return self.called; })) return true;
    std::erase(waiting_, &self);
    return false;
  }

  void Leave() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      busy_ = false;
      return;
    }
    Waiter* next = waiting_.front();
    waiting_.pop_front();
    next->called = true;
    next->changed.notify_one();
  }

 private:
  struct Waiter {
    std::condition_variable changed;
    bool called = false;
  };
  std::mutex mutex_;
  bool busy_ = false;
  std::deque<Waiter*> waiting_;
};

// The TCTIs tried, in order, where the configuration names none.
std::vector<std::string> Candidates(const std::string& configured) {
  if (!configured.empty()) return {configured};
  std::vector<std::string> found;
  if (access("/dev/tpmrm0", F_OK) == 0) found.push_back("device:/dev/tpmrm0");
  found.push_back("tabrmd:bus_type=system");
  return found;
}

}  // namespace

class Broker::State {
 public:
  explicit State(Options options) : options_(std::move(options)), tcti_(options_.tcti) {
    // tss2 writes to standard error by itself; what matters reaches the caller as a Status.
    setenv("TSS2_LOG", "all+NONE", 0);
  }

  Turnstile& turnstile() { return turnstile_; }
  Context* context() { return context_.get(); }

  // In a turn: a usable context, opened when there is none.
  Status Prepare(Deadline deadline) {
    if (context_ != nullptr && context_->broken()) Drop("the TPM went away");
    if (context_ != nullptr) {
      context_->set_deadline(deadline);
      return {};
    }
    Status status = Open(deadline);
    SetHealth(status);
    return status;
  }

  // In a turn.
  void Drop(const std::string& why) {
    context_.reset();
    SetHealth(Fail(Code::kUnavailable, "TPM_UNAVAILABLE", why));
  }

  Status health() const {
    const std::lock_guard lock(mutex_);
    return health_;
  }
  std::string tcti() const {
    const std::lock_guard lock(mutex_);
    return tcti_;
  }

 private:
  Status Open(Deadline deadline) {
    std::string tried;
    for (const std::string& tcti : Candidates(options_.tcti)) {
      {
        const std::lock_guard lock(mutex_);
        tcti_ = tcti;
      }
      Result<std::unique_ptr<Context>> opened = Context::Open(tcti, deadline);
      if (opened.ok()) {
        RETURN_IF_ERROR(FindSrk(**opened, options_.state_dir));
        context_ = *std::move(opened);
        return {};
      }
      if (!options_.tcti.empty()) return opened.status();
      tried += "; " + Message(opened.status());
    }
    return Fail(Code::kUnavailable, "TPM_NOT_FOUND",
                "no TPM found (tried /dev/tpmrm0 and tpm2-abrmd); is it enabled in the firmware? "
                "set [tpm] tcti in the configuration to name one" +
                    tried);
  }

  void SetHealth(const Status& status) {
    bool changed = false;
    {
      const std::lock_guard lock(mutex_);
      changed = status.ok() != health_.ok() || (!status.ok() && Reason(status) != Reason(health_));
      health_ = status;
    }
    if (changed && options_.on_change) options_.on_change(status.ok(), Message(status));
  }

  const Options options_;
  Turnstile turnstile_;
  std::unique_ptr<Context> context_;  // touched in turns only
  mutable std::mutex mutex_;
  Status health_ = Fail(Code::kUnavailable, "TPM_NOT_USED_YET", "the TPM was not used yet");
  std::string tcti_;
};

Broker::Broker(Options options) : state_(std::make_unique<State>(std::move(options))) {}

Broker::~Broker() = default;

Status Broker::health() const { return state_->health(); }

std::string Broker::tcti() const { return state_->tcti(); }

void Broker::Close() {
  // Without a limit: the turn before this one has a deadline of its own.
  state_->turnstile().Enter(Deadline::max());
  if (state_->context() != nullptr) state_->Drop("closed");
  state_->turnstile().Leave();
}

Broker::Lease::Lease(Broker& broker, Deadline deadline) : broker_(broker) {
  if (!broker.state_->turnstile().Enter(deadline)) {
    status_ = Fail(Code::kDeadlineExceeded, "TPM_BUSY",
                   "the TPM was busy with other calls until the deadline");
    return;
  }
  holds_turn_ = true;
  status_ = broker.state_->Prepare(deadline);
}

Broker::Lease::~Lease() {
  if (!holds_turn_) return;
  if (Context* context = broker_.state_->context(); context != nullptr && context->broken()) {
    broker_.state_->Drop("the TPM went away during a call");
  }
  broker_.state_->turnstile().Leave();
}

Context& Broker::Lease::context() { return *broker_.state_->context(); }

}  // namespace seaworthy::tpm
