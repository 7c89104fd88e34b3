#include "ctl/arguments.h"
#include "ctl/render.h"

namespace seaworthy::ctl {
namespace {

std::string HealthWord(v1::Health health, const Style& style) {
  switch (health) {
    case v1::HEALTHY:
      return style.Good("healthy");
    case v1::DEGRADED:
      return style.Warning("degraded");
    case v1::FAILED:
      return style.Bad("failed");
    default:
      return "unknown";
  }
}

// Word and detail share the row's last cell, which may carry colour.
std::string HealthCell(const v1::ModuleStatus& module, const Style& style) {
  std::string cell = HealthWord(module.health(), style);
  if (!module.detail().empty()) cell += ": " + Printable(module.detail());
  return cell;
}

// What is lacking is no fault: a node may be meant to be without.
std::string FacilityCell(const v1::Facility& facility, const Style& style) {
  return (facility.present() ? style.Good("yes") : style.Warning("no")) + ": " +
         Printable(facility.detail());
}

std::string TpmCell(const v1::TpmStatus& tpm, const Style& style) {
  if (tpm.available()) return style.Good("available");
  return style.Bad("not available") + ": " + Printable(tpm.problem());
}

std::string LockoutCell(const v1::LockoutStatus& lockout, const Style& style) {
  const std::string failures = std::to_string(lockout.failures()) + " of " +
                               std::to_string(lockout.max_failures()) +
                               " failures, one is forgotten every " +
                               std::to_string(lockout.recovery_interval_seconds()) + " s";
  return lockout.in_lockout() ? style.Bad("IN LOCKOUT") + ": " + failures : failures;
}

std::string Banks(const v1::TpmStatus& tpm) {
  std::string banks;
  for (int bank : tpm.pcr_banks()) {
    banks += (banks.empty() ? "" : " ") + FormatHash(static_cast<v1::HashAlgorithm>(bank));
  }
  return banks;
}

// The names as `key create --algorithm` takes them.
std::string Algorithms(const v1::TpmStatus& tpm) {
  std::string names;
  for (const std::string& name : tpm.key_algorithms()) {
    v1::KeyAlgorithm algorithm = v1::KEY_ALGORITHM_UNSPECIFIED;
    const bool known = v1::KeyAlgorithm_Parse(name, &algorithm);
    names += names.empty() ? "" : " ";
    names += known ? FormatKeyAlgorithm(algorithm) : Printable(name);
  }
  return names;
}

}  // namespace

std::string RenderStatus(const v1::GetStatusResponse& status, const Style& style) {
  const v1::TpmStatus& tpm = status.tpm();
  std::string text = style.Strong("seaworthyd " + Printable(status.version())) + ", ready since " +
                     FormatTime(status.started().seconds()) + "\n\n";
  Rows rows = {{"TPM", TpmCell(tpm, style)}, {"  reached by", Printable(tpm.tcti())}};
  if (tpm.available()) {
    rows.push_back({"  made by", Printable(tpm.manufacturer()) + " (" + Printable(tpm.vendor()) +
                                     "), firmware " + Printable(tpm.firmware())});
    rows.push_back({"  specification", Printable(tpm.specification())});
    rows.push_back({"  SRK name", Printable(tpm.srk_name())});
    rows.push_back({"  lockout", LockoutCell(tpm.lockout(), style)});
    rows.push_back({"  PCR banks", Banks(tpm)});
    rows.push_back({"  key algorithms", Algorithms(tpm)});
  }
  rows.push_back({"modules", ""});
  for (const v1::ModuleStatus& module : status.modules()) {
    rows.push_back({"  " + Printable(module.name()), HealthCell(module, style)});
  }
  rows.push_back({"node", ""});
  for (const v1::Facility& facility : status.facilities()) {
    rows.push_back({"  " + Printable(facility.name()), FacilityCell(facility, style)});
  }
  rows.push_back({"your role", Printable(v1::Role_Name(status.caller_role()))});
  return text + Align(rows);
}

bool IsHealthy(const v1::GetStatusResponse& status) {
  for (const v1::ModuleStatus& module : status.modules()) {
    if (module.health() != v1::HEALTHY) return false;
  }
  return status.tpm().available();
}

std::string RenderHealth(const v1::GetStatusResponse& status, const Style& style) {
  Rows rows = {{"tpm", TpmCell(status.tpm(), style)}};
  for (const v1::ModuleStatus& module : status.modules()) {
    rows.push_back({Printable(module.name()), HealthCell(module, style)});
  }
  return Align(rows);
}

std::string RenderEvent(const v1::Event& event, const Style& style) {
  std::string text;
  if (event.missed() > 0) {
    text = style.Warning("(" + std::to_string(event.missed()) +
                         " events came too fast and were left out here)") +
           "\n";
  }
  text += FormatTime(event.time().seconds()) + "  " + style.Strong(Printable(event.type()));
  if (!event.target().empty()) text += "  " + Printable(event.target());
  return text + "  " + Printable(event.message()) + "\n";
}

}  // namespace seaworthy::ctl
