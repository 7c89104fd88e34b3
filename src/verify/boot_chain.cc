#include "verify/boot_chain.h"

#include <algorithm>
#include <string>
#include <utility>

#include "verify/boot_event_types.h"
#include "verify/efi_text.h"
#include "verify/efi_variable.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kBootManagerPcr = 4;
constexpr std::uint32_t kSecureBootPcr = 7;

// The device of QEMU's kernel loader, which hands on what was given with -kernel.
constexpr std::string_view kQemuKernelMedia = "VenMedia(1428F772-B64A-441E-B8C3-9EBDD7F893C7)";

std::string Event(std::size_t number) { return "event " + std::to_string(number); }
std::string Event(const BootEvent& event) { return Event(event.number); }

Statement NotProven(std::string sentence, std::vector<std::size_t> events = {}) {
  return {Answer::kNotProven, std::move(sentence), std::move(events)};
}

// The value of the variable SecureBoot; whatever type the log gives to the event, as no digest
// covers that.
std::optional<Bytes> SecureBootValue(const BootEvent& event) {
  auto variable = ParseEfiVariable(event.data, false);
  if (!variable || variable->guid != kEfiGlobalGuid || variable->name != "SecureBoot") {
    return std::nullopt;
  }
  return std::move(variable->value);
}

bool IsPlainAscii(ByteView text) {
  return std::ranges::all_of(text, [](std::uint8_t c) { return c >= 0x20 && c < 0x7f; });
}

// Whether the digest leaves no room for the event being another one than the log says: a
// variable's data is never plain text, and plain text never a variable.
bool IsExplained(const ExaminedEvent& examined) {
  if (examined.check != DigestCheck::kMatches) return false;
  const BootEvent& event = *examined.event;
  switch (event.type) {
    case kEvAction:
    case kEvEfiAction:
      return IsPlainAscii(WithoutNuls(event.data));
    case kEvEfiVariableDriverConfig:
    case kEvEfiVariableAuthority:
    case kEvEfiSpdmDevicePolicy:
    case kEvEfiSpdmDeviceAuthority:
      return std::holds_alternative<EfiVariable>(examined.decoded.detail);
    default:
      return false;
  }
}

// Whether an event that shows no authority is a variable that may be one nevertheless: long enough
// for an entry of a signature database, and nothing else that is known.
bool IsUnreadable(const BootEvent& event) {
  const auto variable = ParseEfiVariable(event.data, false);
  return variable && variable->value.size() > kSignatureOwnerSize && !variable->signatures &&
         variable->name != "SbatLevel";
}

// PFP, PCR 7: the firmware's debugger was enabled.
bool IsDebugMode(const BootEvent& event) {
  return AsText(WithoutNuls(event.data)) == "UEFI Debug Mode";
}

// What the firmware extended into PCR 7 before its separator. Nothing that runs later can have
// put anything there.
struct FirmwarePolicy {
  const BootEvent* on = nullptr;
  const BootEvent* off = nullptr;
  const BootEvent* unexplained = nullptr;
  const BootEvent* debug = nullptr;
  const BootEvent* separator = nullptr;
  bool error = false;
};

FirmwarePolicy ReadPolicy(const std::vector<ExaminedEvent>& events) {
  FirmwarePolicy policy;
  for (const ExaminedEvent& examined : events) {
    const BootEvent& event = *examined.event;
    if (event.pcr != kSecureBootPcr) continue;
    if (examined.separator != SeparatorKind::kNone) {
      policy.separator = &event;
      policy.error = examined.separator == SeparatorKind::kError;
      return policy;
    }
    const auto value = SecureBootValue(event);
    if (examined.check == DigestCheck::kMatches && value) {
      const bool on = value->size() == 1 && value->front() == 1;
      (on ? policy.on : policy.off) = &event;
    }
    if (!IsExplained(examined)) {
      policy.unexplained = policy.unexplained != nullptr ? policy.unexplained : &event;
    } else if (IsDebugMode(event)) {
      policy.debug = &event;
    }
  }
  return policy;
}

bool IsOutOfFirmwareVolume(const LoadedImage& image) {
  return image.device_path.find("FvFile(") != std::string::npos;
}

bool IsHandedInByQemu(const LoadedImage& image) {
  return image.device_path.find(kQemuKernelMedia) != std::string::npos;
}

bool IsFromBootDevice(const LoadedImage& image) {
  return image.type == kEvEfiBootServicesApplication && image.after_separator &&
         !IsOutOfFirmwareVolume(image) && !IsHandedInByQemu(image);
}

// An event in PCR 4 that may be an image. That the digest is over the data excludes none: the
// bytes that an Authenticode digest is over may be shown as data too, but they are no plain text.
const BootEvent* UnexplainedInBootManager(const std::vector<ExaminedEvent>& events) {
  for (const ExaminedEvent& examined : events) {
    const BootEvent& event = *examined.event;
    if (event.pcr == kBootManagerPcr && !IsImage(event.type) && !IsExplained(examined) &&
        examined.separator == SeparatorKind::kNone) {
      return &event;
    }
  }
  return nullptr;
}

// PFP, EV_OMIT_BOOT_DEVICE_EVENTS; by its text, which is what the digest covers.
const BootEvent* OmittedBootDevices(const std::vector<ExaminedEvent>& events) {
  for (const ExaminedEvent& examined : events) {
    const BootEvent& event = *examined.event;
    if (event.pcr == kBootManagerPcr &&
        (event.type == kEvOmitBootDeviceEvents ||
         AsText(WithoutNuls(event.data)) == "BOOT ATTEMPTS OMITTED")) {
      return &event;
    }
  }
  return nullptr;
}

Statement KernelBesideFirmware(const BootFacts& facts) {
  return {Answer::kNo,
          "Secure Boot is on, but PCR 4 shows no application that the firmware loaded from a boot "
          "device: the kernel was loaded beside the firmware, and Secure Boot did not check it. "
          "This is not a verified boot.",
          facts.secure_boot.events};
}

Statement JudgeImages(const BootFacts& facts) {
  Statement statement{Answer::kYes, {}, facts.secure_boot.events};
  std::size_t from_device = 0;
  for (const LoadedImage& image : facts.images) {
    if (image.pcr != kBootManagerPcr) continue;
    if (IsHandedInByQemu(image)) {
      return NotProven("The kernel of " + Event(image.event) +
                           " was handed in by QEMU, its command line and initrd with it: Secure "
                           "Boot is on, but that is no boot from a verified image.",
                       {image.event});
    }
    if (IsFromBootDevice(image)) ++from_device;
    if (!image.authority && !IsOutOfFirmwareVolume(image)) {
      return {Answer::kNo,
              "The image of " + Event(image.event) + ", " + image.device_path +
                  ", was loaded before the log has any authority that could have allowed it.",
              {image.event}};
    }
    statement.events.push_back(image.event);
    if (image.authority) statement.events.push_back(*image.authority);
  }
  if (from_device == 0) return KernelBesideFirmware(facts);
  statement.sentence = "Secure Boot is on, and the firmware loaded " + std::to_string(from_device) +
                       (from_device == 1 ? " application" : " applications") +
                       " from a boot device, each after an authority that can have allowed it. "
                       "Which they were their digests say.";
  std::ranges::sort(statement.events);
  const auto repeated = std::ranges::unique(statement.events);
  statement.events.erase(repeated.begin(), repeated.end());
  return statement;
}

}  // namespace

bool IsImage(std::uint32_t type) {
  return type == kEvEfiBootServicesApplication || type == kEvEfiBootServicesDriver ||
         type == kEvEfiRuntimeServicesDriver;
}

std::optional<BootAuthority> AuthorityOf(const ExaminedEvent& examined) {
  const BootEvent& event = *examined.event;
  if (event.pcr != kSecureBootPcr || !IsExplained(examined)) return std::nullopt;
  const auto variable = ParseEfiVariable(event.data, true);
  if (!variable || !variable->signatures) return std::nullopt;
  const SignatureDatabase& entry = *variable->signatures;
  BootAuthority authority;
  authority.event = event.number;
  authority.variable = variable->name;
  if (!entry.certificates.empty()) authority.certificate = entry.certificates.front();
  if (!entry.sha256_hashes.empty()) authority.sha256_hash = entry.sha256_hashes.front();
  return authority;
}

Statement StateAuthorities(const std::vector<ExaminedEvent>& events) {
  for (const ExaminedEvent& examined : events) {
    const BootEvent& event = *examined.event;
    if (event.pcr != kSecureBootPcr || examined.separator != SeparatorKind::kNone) continue;
    if (!IsExplained(examined)) {
      return NotProven(
          "What " + Event(event) + " extended into PCR 7 is not shown, and may be an authority.",
          {event.number});
    }
    if (!AuthorityOf(examined) && IsUnreadable(event)) {
      return NotProven(
          "The variable of " + Event(event) + " in PCR 7 cannot be read, and may be an authority.",
          {event.number});
    }
  }
  return {Answer::kYes, "No event in PCR 7 can hide an authority.", {}};
}

Statement StateSecureBoot(const std::vector<ExaminedEvent>& events) {
  const FirmwarePolicy policy = ReadPolicy(events);
  if (policy.on != nullptr && policy.off != nullptr) {
    return NotProven("The firmware measured SecureBoot twice, with different values.",
                     {policy.on->number, policy.off->number});
  }
  if (policy.off != nullptr) {
    return {Answer::kNo, "The firmware measured that Secure Boot is off.", {policy.off->number}};
  }
  if (policy.on == nullptr) {
    return NotProven(
        "Before the separator of PCR 7 no event has a variable SecureBoot that its digest covers.");
  }
  if (policy.unexplained != nullptr) {
    return NotProven("The log says that Secure Boot is on, but what " + Event(*policy.unexplained) +
                         " extended into PCR 7 is not shown, and may say otherwise.",
                     {policy.on->number, policy.unexplained->number});
  }
  if (policy.separator == nullptr) {
    return NotProven(
        "The log says that Secure Boot is on, but PCR 7 has no separator, so that what ran later "
        "may have measured this.",
        {policy.on->number});
  }
  if (policy.error) {
    return NotProven("The separator of PCR 7 says that the firmware failed.",
                     {policy.separator->number});
  }
  if (policy.debug != nullptr) {
    return NotProven("Secure Boot is on, but the firmware's debugger was enabled.",
                     {policy.on->number, policy.debug->number});
  }
  return {Answer::kYes,
          "The firmware measured that Secure Boot is on.",
          {policy.on->number, policy.separator->number}};
}

Statement StateVerifiedBoot(const std::vector<ExaminedEvent>& events, const BootFacts& facts) {
  if (facts.secure_boot.answer == Answer::kNo) {
    return {Answer::kNo, "Secure Boot is off: nothing was verified.", facts.secure_boot.events};
  }
  if (facts.secure_boot.answer == Answer::kNotProven) {
    return NotProven("Secure Boot is not proven: " + facts.secure_boot.sentence,
                     facts.secure_boot.events);
  }
  const auto boot_manager = std::ranges::find(facts.pre_boot, kBootManagerPcr, &PreBoot::pcr);
  if (boot_manager == facts.pre_boot.end() || !boot_manager->separator) {
    return NotProven("PCR 4 has no separator: where the firmware's part ends is not shown.");
  }
  if (boot_manager->error) {
    return NotProven("The separator of PCR 4 says that the firmware failed.",
                     {*boot_manager->separator});
  }
  if (const BootEvent* omitted = OmittedBootDevices(events)) {
    return NotProven("The firmware leaves attempts to boot out of the log.", {omitted->number});
  }
  if (const BootEvent* unexplained = UnexplainedInBootManager(events)) {
    return NotProven(
        "What " + Event(*unexplained) + " extended into PCR 4 is not shown, and may be an image.",
        {unexplained->number});
  }
  return JudgeImages(facts);
}

}  // namespace seaworthy::verify
