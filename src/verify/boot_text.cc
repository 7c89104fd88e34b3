#include "verify/boot_text.h"

#include <algorithm>

#include "verify/boot_event_types.h"
#include "verify/efi_text.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

struct GrubPrefix {
  std::string_view prefix;
  TextKind kind;
};

constexpr GrubPrefix kGrubPrefixes[] = {{"grub_cmd: ", TextKind::kGrubCommand},
                                        {"kernel_cmdline: ", TextKind::kGrubKernel},
                                        {"module_cmdline: ", TextKind::kGrubModule}};

constexpr std::string_view kShimNames[] = {"MokList",    "MokListX",       "MokSBState",
                                           "MokDBState", "MokListTrusted", "MokPolicy",
                                           "SbatLevel",  "Shim",           "HSIStatus"};

struct Tag {
  std::uint32_t id;
  const char* name;
};

// 1 to 14: TCG PC Client Specific Implementation Specification for Conventional BIOS, tagged event
// log; the others are those of Linux' EFI stub and of systemd's boot loader and stub.
constexpr Tag kTags[] = {{1, "SMBIOS tables"},
                         {2, "BIS certificate"},
                         {3, "POST BIOS ROM strings"},
                         {4, "ESCD"},
                         {5, "CMOS"},
                         {6, "NVRAM"},
                         {7, "option ROM that was run"},
                         {8, "option ROM configuration"},
                         {10, "option ROM microcode"},
                         {11, "S-CRTM version"},
                         {12, "S-CRTM contents"},
                         {13, "POST contents"},
                         {14, "table of devices"},
                         {kLinuxInitrdTag, "Linux initrd"},
                         {kLinuxLoadOptionsTag, "LOADED_IMAGE::LoadOptions"},
                         {0xf5bc582a, "loader.conf"},
                         {0x6c46f751, "devicetree addon"},
                         {0x49dffe0f, "initrd addon"},
                         {0xdac08e1a, "microcode addon"},
                         {0x13aed6db, "UKI profile"}};

const GrubPrefix* FindGrubPrefix(ByteView data) {
  const auto* found = std::ranges::find_if(
      kGrubPrefixes, [&](const GrubPrefix& grub) { return AsText(data).starts_with(grub.prefix); });
  return found == std::end(kGrubPrefixes) ? nullptr : found;
}

// Boot loaders of Latin script: every second byte of what they write in UTF-16 is mostly zero.
bool LooksLikeUtf16(ByteView data) {
  return data.size() >= 4 && data.size() % 2 == 0 && data[0] != 0 && data[1] == 0 && data[3] == 0;
}

TextKind KindOfUtf16(const BootEvent& event, std::string_view text) {
  if (event.type != kEvIpl) return TextKind::kPlain;
  if (event.pcr == 11 && text.starts_with('.')) return TextKind::kUkiSection;
  // systemd-stub's PCR is 12, and 8 where it was built to be compatible with older ones.
  if (event.pcr == 8 || event.pcr == 12) return TextKind::kUtf16CommandLine;
  return TextKind::kPlain;
}

}  // namespace

EventText ParseEventText(const BootEvent& event) {
  EventText text;
  if (LooksLikeUtf16(event.data)) {
    text.text = PrintableUtf16(event.data);
    text.kind = KindOfUtf16(event, text.text);
    return text;
  }
  const ByteView data = WithoutNuls(event.data);
  if (const GrubPrefix* grub = FindGrubPrefix(data); grub != nullptr && event.type == kEvIpl) {
    text.kind = grub->kind;
    text.text = PrintableUtf8(data.subspan(grub->prefix.size()));
    return text;
  }
  text.text = PrintableUtf8(data);
  if (event.type == kEvIpl && std::ranges::find(kShimNames, AsText(data)) != std::end(kShimNames)) {
    text.kind = TextKind::kShimVariable;
  }
  if (event.type == kEvIpl && event.pcr == 11 && text.text.starts_with('.')) {
    text.kind = TextKind::kUkiSection;
  }
  return text;
}

std::string EventTextSentence(const BootEvent& event, const EventText& text) {
  switch (text.kind) {
    case TextKind::kUkiSection:
      return "Section " + text.text + " of a unified kernel image.";
    case TextKind::kGrubCommand:
      return "GRUB ran: " + text.text;
    case TextKind::kGrubKernel:
      return "GRUB's command line for the kernel: " + text.text;
    case TextKind::kGrubModule:
      return "GRUB's command line for a module: " + text.text;
    case TextKind::kShimVariable:
      return "shim measured its variable " + text.text + ".";
    case TextKind::kUtf16CommandLine:
      return "A boot loader's command line for the kernel: " + text.text;
    case TextKind::kPlain:
      break;
  }
  if (event.type == kEvSCrtmVersion) return "Version of the firmware: \"" + text.text + "\".";
  if (event.type == kEvOmitBootDeviceEvents) {
    return "The firmware leaves attempts to boot out: " + text.text + ".";
  }
  return BootEventTypeName(event.type) + ": " + text.text;
}

std::optional<TaggedEvent> ParseTaggedEvent(ByteView data) {
  LittleEndianReader reader(data);
  TaggedEvent tagged;
  tagged.id = reader.U32();
  const ByteView content = reader.Take(reader.U32());
  if (!reader.ok() || !reader.rest().empty()) return std::nullopt;
  tagged.data = {content.begin(), content.end()};
  const auto* found = std::ranges::find(kTags, tagged.id, &Tag::id);
  if (found != std::end(kTags)) tagged.name = found->name;
  return tagged;
}

ByteView AfterGrubPrefix(ByteView data) {
  const GrubPrefix* grub = FindGrubPrefix(data);
  return grub == nullptr ? ByteView() : data.subspan(grub->prefix.size());
}

}  // namespace seaworthy::verify
