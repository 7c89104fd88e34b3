#include "verify/difference_text.h"

#include <algorithm>
#include <set>

#include "verify/boot_event_types.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kMaxText = 300;
constexpr std::size_t kSubjectsInSentence = 3;

// Whether what is shown of an event is what its digest is over.
bool IsCovered(const MeasuredEvent& event) {
  return event.check == DigestCheck::kMatches || event.check == DigestCheck::kMatchesPart;
}

// GRUB's are as many as its commands, and told apart by their order alone; a version is one.
std::string TextIdentity(const MeasuredEvent& event, const EventText& text) {
  const std::string kind = std::to_string(static_cast<int>(text.kind));
  switch (text.kind) {
    case TextKind::kGrubCommand:
      return kind + text.text.substr(0, text.text.find(' '));
    case TextKind::kGrubKernel:
    case TextKind::kGrubModule:
    case TextKind::kUtf16CommandLine:
      return kind;
    case TextKind::kUkiSection:
      // The name and the content are one event each.
      return kind + text.text + (IsCovered(event) ? "" : "=");
    case TextKind::kShimVariable:
    case TextKind::kPlain:
      break;
  }
  return event.event->type == kEvSCrtmVersion ? kind : kind + text.text;
}

struct Identity {
  const MeasuredEvent& event;

  std::string operator()(const std::monostate&) const { return {}; }
  std::string operator()(const NoAction&) const { return {}; }
  std::string operator()(const Separator&) const { return {}; }
  std::string operator()(const EfiVariable& variable) const {
    return variable.guid + variable.name;
  }
  std::string operator()(const EfiImage& image) const { return image.device_path; }
  std::string operator()(const FirmwareBlob& blob) const {
    return blob.description + "@" + std::to_string(blob.base);
  }
  std::string operator()(const HandoffTables& tables) const { return tables.description; }
  std::string operator()(const GptTable& table) const { return table.disk_guid; }
  std::string operator()(const TaggedEvent& tagged) const { return std::to_string(tagged.id); }
  std::string operator()(const EventText& text) const { return TextIdentity(event, text); }
};

std::string WithoutPoint(std::string text) {
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

std::string Quoted(const std::string& text) { return "\"" + Shortened(text) + "\""; }

bool IsOn(const EfiVariable& variable) { return variable.value == Bytes{1}; }

std::string Count(std::size_t count, const std::string& thing, const char* plural) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : plural);
}

// What is in the first and not in the second, "2 certificates (CN=a; CN=b), 1 image hash".
std::string OnlyIn(const SignatureDatabase& first, const SignatureDatabase& second) {
  std::set<Bytes> known;
  for (const Certificate& certificate : second.certificates) known.insert(certificate.sha256);
  std::size_t certificates = 0;
  std::string subjects;
  for (const Certificate& certificate : first.certificates) {
    if (known.contains(certificate.sha256)) continue;
    if (++certificates > kSubjectsInSentence) continue;
    subjects += (subjects.empty() ? "" : "; ") +
                (certificate.subject.empty() ? "unreadable" : certificate.subject);
  }
  if (certificates > kSubjectsInSentence) subjects += "; ...";
  const std::set<Bytes> hashes(second.sha256_hashes.begin(), second.sha256_hashes.end());
  const auto only = static_cast<std::size_t>(std::ranges::count_if(
      first.sha256_hashes, [&](const Bytes& hash) { return !hashes.contains(hash); }));
  std::string text;
  if (certificates > 0) text = Count(certificates, "certificate", "s") + " (" + subjects + ")";
  if (only > 0) text += (text.empty() ? "" : ", ") + Count(only, "image hash", "es");
  return text;
}

std::string DatabaseChange(const std::string& name, const SignatureDatabase& before,
                           const SignatureDatabase& after) {
  const std::string added = OnlyIn(after, before);
  const std::string removed = OnlyIn(before, after);
  std::string text = "the signature database " + name + " changed";
  if (!added.empty()) text += ": added " + added;
  if (!removed.empty()) text += (added.empty() ? ": removed " : "; removed ") + removed;
  return text;
}

std::string VariableChangeText(const MeasuredEvent& before, const MeasuredEvent& after) {
  const auto* old_one = std::get_if<EfiVariable>(&before.decoded.detail);
  const auto* new_one = std::get_if<EfiVariable>(&after.decoded.detail);
  if (old_one == nullptr || new_one == nullptr) return {};
  if (new_one->name == "SecureBoot" && IsOn(*old_one) != IsOn(*new_one)) {
    return IsOn(*old_one) ? "Secure Boot was on and is off" : "Secure Boot was off and is on";
  }
  const bool authority = after.event->type == kEvEfiVariableAuthority;
  if (!authority && old_one->signatures && new_one->signatures) {
    return DatabaseChange(new_one->name, *old_one->signatures, *new_one->signatures);
  }
  return {};
}

std::string TextChange(const MeasuredEvent& before, const MeasuredEvent& after) {
  const auto* old_one = std::get_if<EventText>(&before.decoded.detail);
  const auto* new_one = std::get_if<EventText>(&after.decoded.detail);
  if (old_one == nullptr || new_one == nullptr || old_one->text == new_one->text) return {};
  const char* what =
      new_one->kind == TextKind::kGrubCommand  ? "GRUB's command"
      : new_one->kind == TextKind::kGrubModule ? "GRUB's command line for a "
                                                 "module"
      : after.event->type == kEvSCrtmVersion   ? "the firmware's version"
      : new_one->kind == TextKind::kGrubKernel || new_one->kind == TextKind::kUtf16CommandLine
          ? "the kernel's command line"
          : "the text";
  return std::string(what) + " was " + Quoted(old_one->text) + " and is " + Quoted(new_one->text);
}

std::string Change(const MeasuredEvent& before, const MeasuredEvent& after) {
  if (IsCovered(before) && IsCovered(after)) {
    if (std::string text = VariableChangeText(before, after); !text.empty()) return text;
    if (std::string text = TextChange(before, after); !text.empty()) return text;
  }
  if (const auto* image = std::get_if<EfiImage>(&after.decoded.detail)) {
    return std::string("the EFI ") +
           (after.event->type == kEvEfiBootServicesApplication ? "application " : "driver ") +
           (image->device_path.empty() ? "without a path" : Shortened(image->device_path)) +
           " has another digest";
  }
  if (const auto* text = std::get_if<EventText>(&after.decoded.detail);
      text != nullptr && text->kind == TextKind::kUkiSection) {
    return "the section " + Shortened(text->text) +
           " of the unified kernel image has another content";
  }
  const std::string was = Shortened(WithoutPoint(before.decoded.sentence));
  const std::string is = Shortened(WithoutPoint(after.decoded.sentence));
  return was == is ? "another digest than before: " + is : "was: " + was + ". Is: " + is;
}

std::string Place(const MeasuredEvent& event) {
  return "Event " + std::to_string(event.event->number) + " in PCR " +
         std::to_string(event.event->pcr);
}

}  // namespace

std::string EventIdentity(const MeasuredEvent& event) {
  return event.decoded.type_name + " " + std::visit(Identity{event}, event.decoded.detail);
}

std::string DifferenceSentence(std::string_view code, const MeasuredEvent* before,
                               const MeasuredEvent* after) {
  if (before == nullptr) {
    return Place(*after) + " is new: " + Shortened(after->decoded.sentence);
  }
  if (after == nullptr) {
    return Place(*before) + " of the boot before is gone: " + Shortened(before->decoded.sentence);
  }
  if (code == "MOVED") {
    return Place(*after) + " was event " + std::to_string(before->event->number) +
           ", and comes at another place: " + Shortened(after->decoded.sentence);
  }
  return Place(*after) + ": " + Change(*before, *after) + ".";
}

std::string Shortened(std::string text) {
  if (text.size() <= kMaxText) return text;
  std::size_t size = kMaxText;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  text.resize(size);
  return text + "...";
}

}  // namespace seaworthy::verify
