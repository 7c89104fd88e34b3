#include "verify/unified_kernel.h"

#include <algorithm>
#include <string>

#include "verify/efi_text.h"

namespace seaworthy::verify {
namespace {

// systemd 252, src/fundamental/tpm-pcr.h; .pcrsig is not measured.
constexpr std::string_view kMeasured[] = {".linux",  ".osrel", ".cmdline", ".initrd",
                                          ".splash", ".dtb",   ".pcrpkey"};

constexpr std::string_view kStubVersion = "#### LoaderInfo: systemd-stub 252";

bool IsKnownStub(ByteView magic) {
  const std::string_view text = AsText(magic);
  return text.starts_with(kStubVersion) && text.size() > kStubVersion.size() &&
         (text[kStubVersion.size()] == '.' || text[kStubVersion.size()] == ' ' ||
          text[kStubVersion.size()] == '-');
}

}  // namespace

bool IsUnifiedKernel(const PeImage& image) {
  return std::ranges::find(image.sections, ".linux", &PeSection::name) != image.sections.end();
}

Result<std::vector<UkiSection>> MeasuredSections(const PeImage& image) {
  const Result<ByteView> magic = SectionContent(image, ".sdmagic");
  if (!magic.ok()) return magic.status();
  if (!IsKnownStub(*magic)) {
    return Fail(Code::kFailedPrecondition, "CANNOT_PREDICT",
                "the unified kernel image is not one of systemd-stub 252, and what another stub "
                "measures is not known");
  }
  std::vector<UkiSection> sections;
  for (const std::string_view name : kMeasured) {
    const Result<ByteView> content = SectionContent(image, name);
    if (!content.ok()) return content.status();
    if (!content->empty()) sections.push_back({name, *content});
  }
  return sections;
}

std::optional<Bytes> LoadOptionsOf(ByteView command_line) {
  std::string text(AsText(command_line));
  for (char& c : text) {
    if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    if (c < 0x20 || c == 0x7f) c = ' ';
  }
  const std::size_t last = text.find_last_not_of(' ');
  if (last == text.npos) return std::nullopt;
  return Utf16WithNul(text.substr(0, last + 1));
}

bool IsMeasuredSection(std::string_view name) {
  return std::ranges::find(kMeasured, name) != std::end(kMeasured);
}

}  // namespace seaworthy::verify
