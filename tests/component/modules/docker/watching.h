// A watch on a thread of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "component/modules/docker/engine_fixture.h"
#include "seaworthy/modules/docker/drift.h"
#include "seaworthy/modules/docker/engine_watch.h"

namespace seaworthy::docker {

// And what it has told and nobody has taken yet.
class Watching {
 public:
  explicit Watching(WatchOptions options) {
    options.stop = stop_.get();
    thread_ = std::thread([this, options] {
      status_ =
          WatchEngine(Deadline::max(), options, [this](const auto& event) { return Take(event); });
    });
  }
  explicit Watching(DriftOptions options) {
    options.watch.stop = stop_.get();
    thread_ = std::thread([this, options] {
      status_ =
          WatchDrift(Deadline::max(), options, [this](const auto& event) { return Take(event); });
    });
  }
  ~Watching() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
    EXPECT_TRUE(status_.ok()) << status_;
  }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

  // The next event of the kind, where they are given of this check and subject; those before it
  // are gone.
  EngineEvent Next(EngineEvent::Kind kind, std::string_view check = {},
                   std::string_view subject = {}) {
    std::unique_lock lock(mutex_);
    const Deadline deadline =
        missed_ ? DeadlineIn(std::chrono::milliseconds(0)) : PrivateEngine::Soon();
    do {
      while (taken_ < told_.size()) {
        const EngineEvent& event = told_[taken_++];
        if (event.kind != kind) continue;
        if (!check.empty() && event.finding->check != check) continue;
        if (!subject.empty() && event.finding->subject != subject) continue;
        return event;
      }
    } while (more_.wait_until(lock, deadline) != std::cv_status::timeout);
    missed_ = true;
    ADD_FAILURE() << "no " << ToString(kind) << " " << check << " " << subject << " came:" << All();
    EngineEvent none;
    none.finding.emplace();
    return none;
  }

  // How many have come of the kind, taken or not.
  std::ptrdiff_t Count(EngineEvent::Kind kind) {
    const std::lock_guard lock(mutex_);
    return std::ranges::count(told_, kind, &EngineEvent::kind);
  }

 private:
  bool Take(const EngineEvent& event) {
    const std::lock_guard lock(mutex_);
    told_.push_back(event);
    more_.notify_all();
    return true;
  }

  std::string All() const {
    std::string all;
    for (const EngineEvent& event : told_) all += "\n" + ToJson(event);
    return all;
  }

  UniqueFd stop_{eventfd(0, EFD_CLOEXEC)};
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<EngineEvent> told_;
  std::size_t taken_ = 0;
  bool missed_ = false;  // there is no use in waiting for what comes after
  Status status_;
  std::thread thread_;
};

}  // namespace seaworthy::docker
