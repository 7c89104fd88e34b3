// systemd's services, over the system's bus.
#pragma once

#include <memory>
#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::os {

// One connection; for one thread. UNAVAILABLE (SYSTEMD_ABSENT) where no systemd answers.
class UnitControl {
 public:
  static Result<UnitControl> Connect(Deadline deadline);
  ~UnitControl();
  UnitControl(UnitControl&&) noexcept;

  // What `systemctl daemon-reload` does.
  Status ReloadDefinitions(Deadline deadline);
  // Stops the unit, if it runs, and starts it; however often it failed before. Returns when
  // systemd's job is over: UNAVAILABLE (UNIT_NOT_STARTED) when it failed, DEADLINE_EXCEEDED
  // (SYSTEMD_TIMEOUT).
  Status Restart(Deadline deadline, const std::string& unit);

 private:
  struct Bus;
  explicit UnitControl(std::unique_ptr<Bus> bus);

  std::unique_ptr<Bus> bus_;
};

}  // namespace seaworthy::os
