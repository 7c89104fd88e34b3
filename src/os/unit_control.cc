#include "seaworthy/os/unit_control.h"

#include <systemd/sd-bus.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::os {
namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kInterface = "org.freedesktop.systemd1.Manager";

using Message = CPtr<sd_bus_message, sd_bus_message_unref>;

std::uint64_t Micros(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(time.count()) * 1000;
}

Status Late() {
  return Fail(Code::kDeadlineExceeded, "SYSTEMD_TIMEOUT", "systemd did not answer in time");
}

Status FromBus(int error, std::string_view what, const char* words = nullptr) {
  const int number = error < 0 ? -error : error;
  if (number == ETIMEDOUT) return Late();
  return Fail(
      Code::kUnavailable, "SYSTEMD_ABSENT",
      "systemd: " + std::string(what) + ": " + (words == nullptr ? std::strerror(number) : words));
}

}  // namespace

struct UnitControl::Bus {
  CPtr<sd_bus, sd_bus_flush_close_unref> bus;
  CPtr<sd_bus_slot, sd_bus_slot_unref> watch;
  std::map<std::string, std::string> ended;  // jobs, by their paths: "done", "failed", ...

  static int JobRemoved(sd_bus_message* message, void* self, sd_bus_error* /*error*/) {
    std::uint32_t id = 0;
    const char* path = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0) {
      static_cast<Bus*>(self)->ended[path] = result;
    }
    return 0;
  }

  // `text` is an argument of the method, or null; so are `mode` and `job`, which gets the path
  // that is answered.
  Status Call(Deadline deadline, const char* method, const char* text = nullptr,
              const char* mode = nullptr, std::string* job = nullptr) {
    if (TimeLeft(deadline).count() == 0) return Late();
    sd_bus_message* made = nullptr;
    int status =
        sd_bus_message_new_method_call(bus.get(), &made, kSystemd, kPath, kInterface, method);
    const Message request(made);
    if (status >= 0 && text != nullptr) status = sd_bus_message_append(made, "s", text);
    if (status >= 0 && mode != nullptr) status = sd_bus_message_append(made, "s", mode);
    if (status < 0) return FromBus(status, method);
    sd_bus_error error = {};
    sd_bus_message* answered = nullptr;
    status = sd_bus_call(bus.get(), made, Micros(TimeLeft(deadline)), &error, &answered);
    const Message answer(answered);
    const Status failed = status < 0 ? FromBus(status, method, error.message) : Status();
    sd_bus_error_free(&error);
    if (!failed.ok() || job == nullptr) return failed;
    const char* path = nullptr;
    status = sd_bus_message_read(answered, "o", &path);
    if (status < 0) return FromBus(status, method);
    *job = path;
    return {};
  }

  // How the job ended.
  Result<std::string> Wait(Deadline deadline, const std::string& job) {
    while (!ended.contains(job)) {
      const auto left = TimeLeft(deadline);
      if (left.count() == 0) return Late();
      int status = sd_bus_process(bus.get(), nullptr);
      if (status == 0) status = sd_bus_wait(bus.get(), Micros(left));
      if (status < 0 && status != -EINTR) return FromBus(status, "wait for a job");
    }
    return ended[job];
  }
};

UnitControl::UnitControl(std::unique_ptr<Bus> bus) : bus_(std::move(bus)) {}
UnitControl::~UnitControl() = default;
UnitControl::UnitControl(UnitControl&&) noexcept = default;

Result<UnitControl> UnitControl::Connect(Deadline deadline) {
  auto bus = std::make_unique<Bus>();
  sd_bus* opened = nullptr;
  int status = sd_bus_open_system(&opened);
  if (status < 0) return FromBus(status, "connect to the system's bus");
  bus->bus.reset(opened);
  sd_bus_slot* slot = nullptr;
  status = sd_bus_match_signal(opened, &slot, kSystemd, kPath, kInterface, "JobRemoved",
                               &Bus::JobRemoved, bus.get());
  if (status < 0) return FromBus(status, "watch its jobs");
  bus->watch.reset(slot);
  // Without it systemd sends no signals.
  RETURN_IF_ERROR(bus->Call(deadline, "Subscribe"));
  return UnitControl(std::move(bus));
}

Status UnitControl::ReloadDefinitions(Deadline deadline) { return bus_->Call(deadline, "Reload"); }

Status UnitControl::Restart(Deadline deadline, const std::string& unit) {
  // A unit that has failed too often is not started at all; one that has not cannot be reset.
  (void)bus_->Call(deadline, "ResetFailedUnit", unit.c_str());
  std::string job;
  RETURN_IF_ERROR(bus_->Call(deadline, "RestartUnit", unit.c_str(), "replace", &job));
  ASSIGN_OR_RETURN(const std::string result, bus_->Wait(deadline, job));
  if (result == "done") return {};
  return Fail(Code::kUnavailable, "UNIT_NOT_STARTED",
              unit + ": systemd's job ended with \"" + result + "\"");
}

}  // namespace seaworthy::os
