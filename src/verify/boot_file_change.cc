// A file that is replaced, and all events that follow from what it was.
#include <algorithm>
#include <optional>
#include <utility>

#include "verify/boot_chain.h"
#include "verify/boot_changes.h"
#include "verify/boot_event_types.h"
#include "verify/boot_text.h"
#include "verify/unified_kernel.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kBootManagerPcr = 4;
constexpr std::uint32_t kSecureBootPcr = 7;
constexpr std::uint32_t kLinuxStubPcr = 9;
constexpr std::uint32_t kUkiPcr = 11;
constexpr std::uint32_t kMokPcr = 14;

struct File {
  Bytes digest;                  // of all bytes
  std::optional<PeImage> image;  // where it is one
  Bytes image_digest;            // Authenticode
  bool unified = false;          // a unified kernel image
  bool signed_pcrs = false;      // with what the stub adds to the initrd
  Result<std::vector<UkiSection>> sections = std::vector<UkiSection>();

  // Empty when there is none.
  ByteView Section(std::string_view name) const {
    if (!sections.ok()) return {};
    const auto found = std::ranges::find(*sections, name, &UkiSection::name);
    return found == sections->end() ? ByteView() : found->content;
  }
};

Result<File> ReadFile(ByteView bytes, const std::string& which, std::uint16_t bank) {
  File file;
  file.digest = BankDigest(bank, bytes);
  if (!IsPeImage(bytes)) return file;
  Result<PeImage> image = ParsePeImage(bytes);
  if (!image.ok()) return Wrap(image.status(), which);
  file.image_digest = AuthenticodeDigest(*image, bank);
  file.unified = IsUnifiedKernel(*image);
  if (file.unified) file.sections = MeasuredSections(*image);
  file.signed_pcrs = std::ranges::any_of(image->sections, [](const PeSection& section) {
    return section.name == ".pcrsig" || section.name == ".pcrpkey";
  });
  if (file.sections.status().code() == Code::kInvalidArgument) {
    return Wrap(file.sections.status(), which);
  }
  file.image = *std::move(image);
  return file;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// As FAT compares them; EFI and GRUB have different slashes.
bool SamePathCharacter(char a, char b) {
  const auto plain = [](char c) { return c == '\\' ? '/' : Lower(c); };
  return plain(a) == plain(b);
}

bool EndsWithPath(std::string_view text, std::string_view path) {
  return !path.empty() && (path[0] == '/' || path[0] == '\\') && text.size() >= path.size() &&
         std::ranges::equal(text.substr(text.size() - path.size()), path, SamePathCharacter);
}

const EventText* PlainText(const MeasuredEvent& event) {
  const auto* text = std::get_if<EventText>(&event.decoded.detail);
  return text != nullptr && text->kind == TextKind::kPlain ? text : nullptr;
}

bool IsUkiSection(const MeasuredEvent& event) {
  const auto* text = std::get_if<EventText>(&event.decoded.detail);
  return text != nullptr && text->kind == TextKind::kUkiSection && event.event->pcr == kUkiPcr &&
         event.event->type == kEvIpl;
}

const TaggedEvent* Tagged(const MeasuredEvent& event, std::uint32_t id) {
  const auto* tagged = std::get_if<TaggedEvent>(&event.decoded.detail);
  return tagged != nullptr && tagged->id == id ? tagged : nullptr;
}

// One change, in the parts that each kind of event needs.
class FileReplacement {
 public:
  FileReplacement(const FileChange& change, std::optional<File> before, File after, ChangedLog& log)
      : change_(change), before_(std::move(before)), after_(std::move(after)), log_(log) {}

  void Apply() {
    ReplaceEvents();
    if (!found_image_ && !found_content_) {
      log_.CannotPredict(
          after_.image ? kBootManagerPcr : kLinuxStubPcr,
          before_ ? "no event has the digest of the old file" : "no event names the file");
      return;
    }
    if (found_content_) CheckInitrd();
    if (!found_image_) return;
    CheckAuthorities();
    if (after_.unified || (before_ && before_->unified)) ReplaceUnifiedKernel();
  }

 private:
  void CannotPredictUnifiedKernel(const std::string& why) {
    for (const std::uint32_t pcr : {kBootManagerPcr, kLinuxStubPcr, kUkiPcr}) {
      log_.CannotPredict(pcr, why);
    }
  }

  bool IsOldImage(const MeasuredEvent& event) const {
    if (before_) return before_->image && *event.digest == before_->image_digest;
    const auto* image = std::get_if<EfiImage>(&event.decoded.detail);
    return image != nullptr && EndsWithPath(image->device_path, change_.path);
  }

  // What a boot loader or the kernel read: its digest is over the file.
  bool IsOldContent(const MeasuredEvent& event) const {
    if (event.check != DigestCheck::kOfOther || IsUkiSection(event)) return false;
    if (before_) return *event.digest == before_->digest;
    const EventText* text = PlainText(event);
    return text != nullptr && EndsWithPath(text->text, change_.path);
  }

  void ReplaceEvents() {
    std::optional<Bytes> named;  // the digest of the image that the path names
    for (std::size_t i = 0; i < log_.events().size(); ++i) {
      const MeasuredEvent& event = log_.events()[i];
      if (!IsImage(event.event->type)) {
        if (!IsOldContent(event)) continue;
        found_content_ = true;
        log_.Replace(i, after_.digest);
        continue;
      }
      if (!IsOldImage(event)) continue;
      found_image_ = true;
      if (!after_.image) {
        log_.CannotPredict(event.event->pcr,
                           EventName(event) + " is an image, and the new file " + "is none");
      } else if (named.value_or(*event.digest) != *event.digest) {
        log_.CannotPredict(event.event->pcr, "events of several images name the file");
      } else {
        named = *event.digest;
        last_image_ = i;
        log_.Replace(i, after_.image_digest);
      }
    }
  }

  // Linux measures all it gets as one initrd, which may be this file and others behind one another.
  void CheckInitrd() {
    const bool text = std::ranges::find(change_.after, std::uint8_t{0}) == change_.after.end();
    if (text || after_.image) return;
    for (const MeasuredEvent& event : log_.events()) {
      if (Tagged(event, kLinuxInitrdTag) == nullptr || IsOldContent(event)) continue;
      log_.CannotPredict(event.event->pcr, EventName(event) +
                                               " is the initrd that the kernel got, which may have "
                                               "the file in it");
    }
  }

  // The firmware, and shim, measure what allowed an image.
  void CheckAuthorities() {
    for (const MeasuredEvent& event : log_.events()) {
      const auto* authority = std::get_if<EfiVariable>(&event.decoded.detail);
      if (event.event->pcr != kSecureBootPcr || event.event->type != kEvEfiVariableAuthority) {
        continue;
      }
      const bool by_hash = authority != nullptr && authority->signatures &&
                           !authority->signatures->sha256_hashes.empty();
      if (by_hash) {
        log_.CannotPredict(kSecureBootPcr,
                           EventName(event) + " is the hash of an image that was allowed");
      } else if (!SignedAlike()) {
        log_.CannotPredict(kSecureBootPcr,
                           EventName(event) +
                               " is what allowed an image, and the new file is not known to be "
                               "signed as the old one was");
      }
    }
    // What shim brings with it, and measures.
    for (const std::string_view name : {".vendor_cert", ".sbatlevel"}) {
      if (SameSection(name)) continue;
      for (const std::uint32_t pcr : {kSecureBootPcr, kMokPcr}) {
        log_.CannotPredict(
            pcr, "the new file has another section " + std::string(name) + ", which shim measures");
      }
    }
  }

  bool SignedAlike() const {
    if (!before_ || !before_->image || !after_.image) return false;
    const auto old_signers = SignersOf(*before_->image);
    const auto new_signers = SignersOf(*after_.image);
    return old_signers.ok() && new_signers.ok() && *old_signers == *new_signers;
  }

  bool SameSection(std::string_view name) const {
    if (!after_.image) return true;
    const auto new_section = SectionContent(*after_.image, name);
    if (!new_section.ok()) return false;
    if (!before_ || !before_->image) return new_section->empty();
    const auto old_section = SectionContent(*before_->image, name);
    return old_section.ok() && std::ranges::equal(*old_section, *new_section);
  }

  void ReplaceUnifiedKernel() {
    if (before_ && before_->unified != after_.unified) {
      CannotPredictUnifiedKernel("only one of the old and the new file is a unified kernel image");
      return;
    }
    for (const File* file : {before_ ? &*before_ : &after_, &after_}) {
      if (file->sections.ok()) continue;
      CannotPredictUnifiedKernel(Message(file->sections.status()));
      return;
    }
    CheckInnerKernel();
    ReplaceSections();
    if (after_.signed_pcrs || (before_ && before_->signed_pcrs)) {
      log_.CannotPredict(kLinuxStubPcr,
                         "the unified kernel image has signed PCRs, which the stub adds to the "
                         "initrd");
    }
    ReplaceForKernel(kLinuxLoadOptionsTag, ".cmdline", LoadOptionsOf);
    ReplaceForKernel(kLinuxInitrdTag, ".initrd", [](ByteView section) -> std::optional<Bytes> {
      return Bytes(section.begin(), section.end());
    });
  }

  // The old file's stub may be one that loads its kernel through the firmware.
  void CheckInnerKernel() {
    if (before_) return;
    for (std::size_t i = last_image_ + 1; i < log_.events().size(); ++i) {
      const MeasuredEvent& event = log_.events()[i];
      if (!IsImage(event.event->type)) continue;
      log_.CannotPredict(event.event->pcr,
                         EventName(event) + " may be the kernel out of the old file");
    }
  }

  std::vector<Bytes> SectionDigests(const std::vector<UkiSection>& sections) const {
    std::vector<Bytes> digests;
    for (const UkiSection& section : sections) {
      const std::string name = std::string(section.name) + '\0';
      digests.push_back(BankDigest(log_.bank(), AsBytes(name)));
      digests.push_back(BankDigest(log_.bank(), section.content));
    }
    return digests;
  }

  // The run of events that are a stub's; empty, with an obstacle, when they are not all of one.
  std::vector<std::size_t> SectionEvents() {
    std::vector<std::size_t> run;
    std::vector<Bytes> digests;
    bool ended = false, whole = true;
    for (std::size_t i = 0; i < log_.events().size(); ++i) {
      const MeasuredEvent& event = log_.events()[i];
      if (event.event->pcr != kUkiPcr) continue;
      if (!IsUkiSection(event)) {
        ended = !run.empty();
        continue;
      }
      whole = whole && !ended && IsMeasuredSection(std::get<EventText>(event.decoded.detail).text);
      run.push_back(i);
      digests.push_back(*event.digest);
    }
    if (whole && !run.empty() && (!before_ || digests == SectionDigests(*before_->sections))) {
      return run;
    }
    log_.CannotPredict(kUkiPcr, "its events are not those of the old file's sections");
    return {};
  }

  void ReplaceSections() {
    bool first = true;
    for (const std::size_t index : SectionEvents()) {
      log_.ReplaceByAll(index, first ? SectionDigests(*after_.sections) : std::vector<Bytes>());
      first = false;
    }
  }

  // The digest that the log has of a section's content: of the old file where it is not there.
  std::optional<Bytes> LoggedSection(std::string_view name) const {
    bool after_name = false;
    for (const MeasuredEvent& event : log_.events()) {
      if (!IsUkiSection(event) || std::get<EventText>(event.decoded.detail).text != name) continue;
      if (after_name) return *event.digest;
      after_name = true;
    }
    return std::nullopt;
  }

  // What the stub hands to the kernel out of a section, and the kernel measures.
  void ReplaceForKernel(std::uint32_t tag, std::string_view name,
                        std::optional<Bytes> (*measured)(ByteView)) {
    const Bytes absent = BankDigest(log_.bank(), {});
    const Bytes new_section = BankDigest(log_.bank(), after_.Section(name));
    const Bytes old_section = before_ ? BankDigest(log_.bank(), before_->Section(name))
                                      : LoggedSection(name).value_or(absent);
    if (old_section == new_section && (tag == kLinuxLoadOptionsTag || new_section == absent)) {
      return;
    }
    const std::string what = "the section " + std::string(name) + " of the unified kernel image";
    const std::optional<Bytes> for_kernel = measured(after_.Section(name));
    if ((old_section == absent) != (new_section == absent) || !for_kernel) {
      log_.CannotPredict(kLinuxStubPcr, what + " comes or goes, or is no plain text");
      return;
    }
    // Without the old file its initrd is told by its digest; its command line is not.
    std::optional<Bytes> old_digest = old_section;
    if (before_) old_digest = DigestOf(measured(before_->Section(name)));
    bool found = false;
    for (std::size_t i = 0; i < log_.events().size(); ++i) {
      const MeasuredEvent& event = log_.events()[i];
      if (Tagged(event, tag) == nullptr) continue;
      found = true;
      if (*event.digest == old_digest) {
        log_.Replace(i, BankDigest(log_.bank(), *for_kernel));
      } else {
        log_.CannotPredict(event.event->pcr,
                           EventName(event) + " is not over " + what + " as it was");
      }
    }
    if (!found) {
      log_.CannotPredict(kLinuxStubPcr,
                         what + " changes, and no event tells what of it the kernel measured");
    }
  }

  std::optional<Bytes> DigestOf(const std::optional<Bytes>& bytes) const {
    return bytes ? std::optional(BankDigest(log_.bank(), *bytes)) : std::nullopt;
  }

  const FileChange& change_;
  std::optional<File> before_;
  File after_;
  ChangedLog& log_;
  bool found_image_ = false;
  std::size_t last_image_ = 0;  // of those replaced
  bool found_content_ = false;
};

}  // namespace

Status Apply(const FileChange& change, ChangedLog& log) {
  Result<File> after = ReadFile(change.after, "the new file", log.bank());
  if (!after.ok()) return after.status();
  std::optional<File> before;
  if (change.before) {
    Result<File> read = ReadFile(*change.before, "the old file", log.bank());
    if (!read.ok()) return read.status();
    before = *std::move(read);
  }
  FileReplacement(change, std::move(before), *std::move(after), log).Apply();
  return {};
}

}  // namespace seaworthy::verify
