#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <map>
#include <utility>

#include "verify/boot_chain.h"
#include "verify/boot_event_types.h"
#include "verify/boot_text.h"
#include "verify/digest.h"
#include "verify/efi_text.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kPreBootPcrs = 8;

const Bytes& DigestIn(const ExaminedEvent& examined, std::uint16_t bank) {
  return examined.event->digests.at(bank);
}

void FindPreBoot(const std::vector<ExaminedEvent>& events, BootFacts& facts) {
  for (std::uint32_t pcr = 0; pcr < kPreBootPcrs; ++pcr) {
    PreBoot& phase = facts.pre_boot.emplace_back();
    phase.pcr = pcr;
    for (const ExaminedEvent& examined : events) {
      if (examined.event->pcr != pcr) continue;
      // An error may come after the end: "Exit Boot Services" that failed, for one.
      phase.error = phase.error || examined.separator == SeparatorKind::kError;
      if (phase.separator) {
        phase.events_after.push_back(examined.event->number);
      } else if (examined.separator != SeparatorKind::kNone) {
        phase.separator = examined.event->number;
      }
    }
  }
}

// The authorities so far, as images ask for them.
struct Allowed {
  std::optional<std::size_t> by_certificate;    // the last one's event
  std::map<Bytes, std::size_t> by_sha256_hash;  // image to event
};

void AddAuthority(const ExaminedEvent& examined, Allowed& allowed, BootFacts& facts) {
  std::optional<BootAuthority> authority = AuthorityOf(examined);
  if (!authority) return;
  if (authority->sha256_hash.empty()) {
    allowed.by_certificate = authority->event;
  } else {
    allowed.by_sha256_hash[authority->sha256_hash] = authority->event;
  }
  facts.authorities.push_back(*std::move(authority));
}

void AddImage(const ExaminedEvent& examined, const Allowed& allowed, BootFacts& facts) {
  const BootEvent& event = *examined.event;
  const auto* image = std::get_if<EfiImage>(&examined.decoded.detail);
  if (!IsImage(event.type)) return;
  LoadedImage& loaded = facts.images.emplace_back();
  loaded.event = event.number;
  loaded.pcr = event.pcr;
  loaded.type = event.type;
  loaded.digest = DigestIn(examined, facts.bank);
  if (image != nullptr) loaded.device_path = image->device_path;
  loaded.after_separator = std::ranges::any_of(facts.pre_boot, [&](const PreBoot& phase) {
    return phase.pcr == event.pcr && phase.separator && *phase.separator < event.number;
  });
  loaded.authority = allowed.by_certificate;
  // In another bank the digest cannot be compared with db's.
  const auto by_hash = allowed.by_sha256_hash.find(loaded.digest);
  if (facts.bank == TPM2_ALG_SHA256 && by_hash != allowed.by_sha256_hash.end()) {
    loaded.authority = std::max(by_hash->second, loaded.authority.value_or(0));
  }
}

MeasuredContent Content(const ExaminedEvent& examined, std::string name, std::uint16_t bank) {
  return {.event = examined.event->number,
          .pcr = examined.event->pcr,
          .name = std::move(name),
          .digest = DigestIn(examined, bank)};
}

void AddCommandLine(const ExaminedEvent& examined, std::string source,
                    std::optional<std::string> text, BootFacts& facts) {
  facts.command_lines.push_back({.event = examined.event->number,
                                 .pcr = examined.event->pcr,
                                 .source = std::move(source),
                                 .text = std::move(text),
                                 .digest = DigestIn(examined, facts.bank)});
}

void AddTagged(const ExaminedEvent& examined, const TaggedEvent& tagged, BootFacts& facts) {
  if (tagged.id == kLinuxLoadOptionsTag) {
    AddCommandLine(examined, tagged.name, std::nullopt, facts);
  } else if (examined.check == DigestCheck::kOfOther) {
    facts.contents.push_back(
        Content(examined, tagged.name.empty() ? HexNumber(tagged.id) : tagged.name, facts.bank));
  }
}

// `previous` is the event before in the same PCR.
void AddSection(const ExaminedEvent& examined, const ExaminedEvent* previous,
                const std::string& name, BootFacts& facts) {
  if (examined.check == DigestCheck::kMatches || previous == nullptr ||
      previous->check != DigestCheck::kMatches || previous->event->type != kEvIpl ||
      previous->event->data != examined.event->data) {
    return;
  }
  facts.uki_sections.push_back(Content(examined, name, facts.bank));
  if (name == ".cmdline") AddCommandLine(examined, "UKI section .cmdline", std::nullopt, facts);
}

void AddText(const ExaminedEvent& examined, const ExaminedEvent* previous, const EventText& text,
             BootFacts& facts) {
  if (examined.event->type != kEvIpl) return;
  const bool covered = examined.check == DigestCheck::kMatches;
  switch (text.kind) {
    case TextKind::kUkiSection:
      AddSection(examined, previous, text.text, facts);
      return;
    case TextKind::kGrubKernel:
      if (covered || examined.check == DigestCheck::kMatchesPart) {
        AddCommandLine(examined, "GRUB", text.text, facts);
      } else {
        AddCommandLine(examined, "GRUB", std::nullopt, facts);
      }
      return;
    case TextKind::kUtf16CommandLine:
      if (covered) {
        AddCommandLine(examined, "systemd-stub", text.text, facts);
        return;
      }
      break;
    case TextKind::kGrubCommand:
    case TextKind::kGrubModule:
    case TextKind::kShimVariable:
    case TextKind::kPlain:
      break;
  }
  if (examined.check == DigestCheck::kOfOther) {
    facts.contents.push_back(Content(examined, text.text, facts.bank));
  }
}

// Boot loaders' events; in their PCRs, which the operating system goes on to extend.
void FindLoaderEvents(const std::vector<ExaminedEvent>& events, BootFacts& facts) {
  const ExaminedEvent* last[kPcrCount] = {};
  for (const ExaminedEvent& examined : events) {
    const ExaminedEvent* previous = std::exchange(last[examined.event->pcr], &examined);
    if (const auto* tagged = std::get_if<TaggedEvent>(&examined.decoded.detail)) {
      AddTagged(examined, *tagged, facts);
    } else if (const auto* text = std::get_if<EventText>(&examined.decoded.detail)) {
      AddText(examined, previous, *text, facts);
    }
  }
}

// Why nothing can be stated in the bank; empty when something can.
std::string Unusable(const BootLog& log, std::uint16_t bank) {
  const std::string name = HashName(bank);
  const auto found = std::ranges::find(log.banks, bank, &BootBank::bank);
  if (found == log.banks.end()) return "The log has no digests of the bank " + name + ".";
  if (PcrBankHash(bank) == nullptr || found->digest_size != DigestSize(bank)) {
    return "Digests of the bank " + name + " cannot be computed here.";
  }
  if (bank == TPM2_ALG_SHA1 && log.banks.size() > 1) {
    return "Nothing rests on SHA-1 where the log has another bank.";
  }
  return {};
}

SeparatorKind SeparatorOf(const BootEvent& event, std::uint16_t bank) {
  static constexpr std::uint8_t kError[] = {1, 0, 0, 0};
  BootEvent error = {.type = kEvSeparator, .digests = event.digests, .data = {kError, kError + 4}};
  if (CheckEventDigest(error, bank) == DigestCheck::kMatches) return SeparatorKind::kError;
  if (event.type != kEvSeparator || CheckEventDigest(event, bank) != DigestCheck::kMatches) {
    return SeparatorKind::kNone;
  }
  const bool end = event.data == Bytes{0, 0, 0, 0} || event.data == Bytes{0xff, 0xff, 0xff, 0xff};
  return end ? SeparatorKind::kEnd : SeparatorKind::kNone;
}

std::vector<ExaminedEvent> Examine(const BootLog& log, std::uint16_t bank, BootFacts& facts) {
  std::vector<ExaminedEvent> events;
  for (const BootEvent& event : log.events) {
    const DigestCheck check = CheckEventDigest(event, bank);
    // ParseBootLog lets neither through; a log that was put together by hand may have them.
    if (check == DigestCheck::kNotExtended || check == DigestCheck::kNoDigest ||
        event.pcr >= kPcrCount) {
      continue;
    }
    events.push_back({&event, DecodeBootEvent(event), check, SeparatorOf(event, bank)});
    if (check == DigestCheck::kDiffers) {
      facts.notes.push_back("Event " + std::to_string(event.number) + ", " +
                            events.back().decoded.type_name +
                            ": the digest is not over the data, which says nothing then.");
    }
  }
  return events;
}

}  // namespace

bool IsCommandLine(const BootCommandLine& command_line, std::uint16_t bank, std::string_view text) {
  const EVP_MD* hash = PcrBankHash(bank);
  if (hash == nullptr) return false;
  // ASCII is what the kernel takes; a text beyond it is compared in UTF-8 alone.
  Bytes utf8(text.begin(), text.end());
  Bytes utf16;
  for (const std::uint8_t c : utf8) utf16.insert(utf16.end(), {c, 0});
  const bool ascii = std::ranges::all_of(utf8, [](std::uint8_t c) { return c < 0x80; });
  const auto matches = [&](const Bytes& bytes) {
    Bytes digest(DigestSize(bank));
    return EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, hash, nullptr) == 1 &&
           digest == command_line.digest;
  };
  if (matches(utf8) || (ascii && matches(utf16))) return true;
  utf8.push_back(0);
  utf16.insert(utf16.end(), {0, 0});
  return matches(utf8) || (ascii && matches(utf16));
}

BootFacts AnalyseBootLog(const BootLog& log, std::uint16_t bank) {
  BootFacts facts;
  facts.bank = bank;
  if (const std::string why = Unusable(log, bank); !why.empty()) {
    facts.secure_boot.sentence = facts.verified_boot.sentence = facts.all_authorities.sentence =
        why;
    facts.notes.push_back(why);
    return facts;
  }
  if (bank == TPM2_ALG_SHA1) {
    facts.notes.emplace_back(
        "All this rests on SHA-1, the log's only bank: who could choose what was measured may "
        "have measured something else.");
  }
  const std::vector<ExaminedEvent> events = Examine(log, bank, facts);
  FindPreBoot(events, facts);
  Allowed allowed;
  for (const ExaminedEvent& examined : events) {
    AddAuthority(examined, allowed, facts);
    AddImage(examined, allowed, facts);
  }
  FindLoaderEvents(events, facts);
  facts.all_authorities = StateAuthorities(events);
  facts.secure_boot = StateSecureBoot(events);
  facts.verified_boot = StateVerifiedBoot(events, facts);
  return facts;
}

}  // namespace seaworthy::verify
