#include "verify/boot_changes.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "verify/boot_event_types.h"
#include "verify/boot_text.h"
#include "verify/digest.h"
#include "verify/efi_text.h"
#include "verify/efi_variable.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kSecureBootPcr = 7;
constexpr std::uint32_t kLinuxStubPcr = 9;

constexpr std::string_view kSecurityDatabaseGuid = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

Status BadChange(const std::string& what) {
  return Fail(Code::kInvalidArgument, "BAD_CHANGE", what);
}

using TextEncoding = Bytes (*)(std::string_view);

Bytes Utf8(std::string_view text) { return {text.begin(), text.end()}; }

Bytes Utf8WithNul(std::string_view text) {
  Bytes bytes = Utf8(text);
  bytes.push_back(0);
  return bytes;
}

Bytes Utf16(std::string_view text) {
  Bytes bytes = Utf16WithNul(text);
  bytes.resize(bytes.size() - 2);
  return bytes;
}

constexpr std::array<TextEncoding, 4> kEncodings = {Utf8, Utf8WithNul, Utf16, Utf16WithNul};

// What stands before the command line in what is measured: GRUB's commands, and the kernel's file
// as GRUB hands it on.
constexpr std::string_view kLinuxPrefixes[] = {"", "BOOT_IMAGE="};
constexpr std::string_view kGrubPrefixes[] = {"", "linux ", "linuxefi ", "linux16 "};

std::optional<Bytes> NewCommandLine(const MeasuredEvent& event, bool grub_command,
                                    const CommandLineChange& change, std::uint16_t bank) {
  for (const std::string_view prefix :
       grub_command ? std::span<const std::string_view>(kGrubPrefixes) : kLinuxPrefixes) {
    for (const TextEncoding encode : kEncodings) {
      const std::string text(prefix);
      if (BankDigest(bank, encode(text + change.before)) == *event.digest) {
        return BankDigest(bank, encode(text + change.after));
      }
    }
  }
  return std::nullopt;
}

enum class CommandLineKind { kNone, kWhole, kGrubCommand };

CommandLineKind KindOf(const MeasuredEvent& event) {
  if (const auto* tagged = std::get_if<TaggedEvent>(&event.decoded.detail)) {
    return tagged->id == kLinuxLoadOptionsTag ? CommandLineKind::kWhole : CommandLineKind::kNone;
  }
  const auto* text = std::get_if<EventText>(&event.decoded.detail);
  if (text == nullptr || event.event->type != kEvIpl) return CommandLineKind::kNone;
  switch (text->kind) {
    case TextKind::kGrubKernel:
    case TextKind::kUtf16CommandLine:
      return CommandLineKind::kWhole;
    case TextKind::kGrubCommand:
      return CommandLineKind::kGrubCommand;
    default:
      return CommandLineKind::kNone;
  }
}

// GRUB measures an entry of its menu with all the commands in it, as grub.cfg has them: what they
// become follows from no command line.
bool HasMenuEntry(const MeasuredEvent& event) {
  const std::string& text = std::get<EventText>(event.decoded.detail).text;
  return text.starts_with("menuentry ") || text.starts_with("submenu ");
}

bool IsPrintableAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// The value in an event: what stands before it in the data stays, but for its length.
Bytes WithValue(const MeasuredEvent& event, const Bytes& value) {
  const Bytes& data = event.event->data;
  const std::size_t value_at = data.size() - EfiVariableValue(data).size();
  Bytes changed(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(value_at));
  for (std::size_t i = 0; i < 8; ++i) {
    changed[24 + i] = static_cast<std::uint8_t>(std::uint64_t{value.size()} >> 8 * i & 0xff);
  }
  changed.insert(changed.end(), value.begin(), value.end());
  return changed;
}

// An authority is an entry of a database: an entry before it that is new might be used instead.
void CheckAuthorities(const VariableChange& change, const EfiVariable& present, ChangedLog& log) {
  const bool database = change.name == "db";
  if (!database && change.name != "SecureBoot") return;
  if (database && change.value.size() >= present.value.size() &&
      std::equal(present.value.begin(), present.value.end(), change.value.begin())) {
    return;
  }
  for (const MeasuredEvent& event : log.events()) {
    const auto* authority = std::get_if<EfiVariable>(&event.decoded.detail);
    if (event.event->pcr != kSecureBootPcr || event.event->type != kEvEfiVariableAuthority ||
        authority == nullptr || (database && authority->name != "db")) {
      continue;
    }
    log.CannotPredict(kSecureBootPcr, EventName(event) + " is what allowed an image, and " +
                                          (database ? "the new db does not begin with the present"
                                                    : "SecureBoot changes") +
                                          ": which authorities will be measured is not known");
  }
}

}  // namespace

ChangedLog::ChangedLog(const BootLog& log, std::uint16_t bank)
    : log_(log), bank_(bank), events_(MeasuredEvents(log, bank)) {}

void ChangedLog::ReplaceByAll(std::size_t index, std::vector<Bytes> digests) {
  const MeasuredEvent& event = events_[index];
  const auto [at, added] = replaced_.emplace(event.event->number, std::move(digests));
  if (!added) {
    CannotPredict(event.event->pcr, "two of the changes are about " + EventName(event));
  }
}

BootLog ChangedLog::Changed() const {
  BootLog changed;
  changed.startup_locality = log_.startup_locality;
  std::ranges::copy_if(log_.banks, std::back_inserter(changed.banks),
                       [this](const BootBank& bank) { return bank.bank == bank_; });
  for (const BootEvent& event : log_.events) {
    const auto replaced = replaced_.find(event.number);
    if (replaced == replaced_.end()) {
      changed.events.push_back(event);
      continue;
    }
    for (const Bytes& digest : replaced->second) {
      BootEvent other = event;
      other.digests = {{bank_, digest}};
      changed.events.push_back(std::move(other));
    }
  }
  return changed;
}

Status Apply(const CommandLineChange& change, ChangedLog& log) {
  if (!IsPrintableAscii(change.before) || !IsPrintableAscii(change.after)) {
    return BadChange("a command line to predict is not printable ASCII");
  }
  if (change.before.empty()) return BadChange("the command line that is replaced is empty");
  bool found = false;
  for (std::size_t i = 0; i < log.events().size(); ++i) {
    const MeasuredEvent& event = log.events()[i];
    const CommandLineKind kind = KindOf(event);
    if (kind == CommandLineKind::kNone) continue;
    const bool grub_command = kind == CommandLineKind::kGrubCommand;
    if (const auto digest = NewCommandLine(event, grub_command, change, log.bank())) {
      log.Replace(i, *digest);
      found = true;
    } else if (!grub_command) {
      log.CannotPredict(event.event->pcr, EventName(event) +
                                              " has a command line that is not the one to be "
                                              "replaced");
    } else if (HasMenuEntry(event)) {
      log.CannotPredict(event.event->pcr, EventName(event) +
                                              " has an entry of GRUB's menu, and what that "
                                              "becomes is not known");
    }
  }
  if (!found) {
    log.CannotPredict(kLinuxStubPcr,
                      "no event has the digest of the command line that is to be replaced");
  }
  return {};
}

Status Apply(const VariableChange& change, ChangedLog& log) {
  const bool database = change.name == "db" || change.name == "dbx";
  if (!database && change.name != "PK" && change.name != "KEK" && change.name != "SecureBoot") {
    return BadChange("the variable to change is none of PK, KEK, db, dbx, SecureBoot");
  }
  const std::string_view guid = database ? kSecurityDatabaseGuid : kEfiGlobalGuid;
  bool found = false;
  for (std::size_t i = 0; i < log.events().size(); ++i) {
    const MeasuredEvent& event = log.events()[i];
    const auto* variable = std::get_if<EfiVariable>(&event.decoded.detail);
    if (event.event->pcr != kSecureBootPcr || event.event->type != kEvEfiVariableDriverConfig ||
        variable == nullptr || variable->name != change.name || variable->guid != guid) {
      continue;
    }
    found = true;
    if (variable->value == change.value) continue;
    if (event.check == DigestCheck::kMatches) {
      log.Replace(i, BankDigest(log.bank(), WithValue(event, change.value)));
    } else if (event.check == DigestCheck::kMatchesPart) {
      log.Replace(i, BankDigest(log.bank(), change.value));
    } else {
      log.CannotPredict(kSecureBootPcr,
                        "the digest of " + EventName(event) + " is not over its variable");
    }
    CheckAuthorities(change, *variable, log);
    if (change.name == "SecureBoot" && change.value == Bytes{1}) {
      log.CannotPredict(kSecureBootPcr,
                        "with Secure Boot on the firmware measures what allows an image, and "
                        "what that will be is not known");
    }
  }
  if (!found) {
    log.CannotPredict(kSecureBootPcr, "the boot log has no variable " + change.name);
  }
  return {};
}

Status Apply(const DigestChange& change, ChangedLog& log) {
  const std::size_t size = DigestSize(log.bank());
  if (change.pcr >= kPcrCount || change.before.size() != size || change.after.size() != size) {
    return BadChange("a digest to change is not one of the bank " + HashName(log.bank()) +
                     ", or there is no such PCR");
  }
  bool found = false;
  for (std::size_t i = 0; i < log.events().size(); ++i) {
    const MeasuredEvent& event = log.events()[i];
    if (event.event->pcr != change.pcr || *event.digest != change.before) continue;
    log.Replace(i, change.after);
    found = true;
  }
  if (!found) {
    log.CannotPredict(change.pcr,
                      "no event has the digest " + Hex(change.before) + " that is to be replaced");
  }
  return {};
}

}  // namespace seaworthy::verify
