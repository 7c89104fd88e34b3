// Keeps an eye on the TPM: reads its properties now and then, more often while it is away, so
// that status polls never issue TPM commands of their own and a TPM that comes back is
// noticed. Reads are one at a time with a generous deadline: a short one would break off a
// command on a slow TPM and with it the connection.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "seaworthy/deadline.h"
#include "seaworthy/tpm/broker.h"
#include "seaworthy/tpm/properties.h"

namespace seaworthy::app {

class TpmMonitor {
 public:
  // `after_read` runs on the monitor's thread after each read.
  TpmMonitor(tpm::Broker& broker, std::function<void()> after_read);
  ~TpmMonitor();

  void Start();
  void Stop();

  struct Snapshot {
    Status health;                              // OK: the TPM is there and the right one
    std::optional<tpm::Properties> properties;  // as last read
  };
  // Of at most a second ago when that can be had by the deadline, else the last one.
  Snapshot Latest(Deadline deadline);

  // Has the thread read and call after_read soon.
  void Poke();

  // Whether the thread is where it should be; for the watchdog.
  bool OnTime() const;

 private:
  void Run();
  void Read();

  tpm::Broker& broker_;
  const std::function<void()> after_read_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Status health_;
  std::optional<tpm::Properties> properties_;
  Deadline read_at_{};
  // The thread is in a read or after_read until this moment at the latest.
  std::optional<Deadline> back_by_;
  bool wanted_ = true;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace seaworthy::app
