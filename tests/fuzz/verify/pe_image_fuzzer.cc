// A PE image from a stranger: its digest, its signers, and what a stub of systemd's would measure.
#include <tss2/tss2_tpm2_types.h>

#include <cstdlib>

#include "verify/pe_image.h"
#include "verify/unified_kernel.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

void Require(bool holds) {
  if (!holds) std::abort();
}

// What points into the file lies in it.
void RequireInside(ByteView part, ByteView file) {
  Require(part.empty() ||
          (part.data() >= file.data() && part.data() + part.size() <= file.data() + file.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView file(data, size);
  const auto image = verify::ParsePeImage(file);
  if (!image.ok()) {
    Require(seaworthy::Reason(image.status()) == "MALFORMED");
    return 0;
  }
  Require(verify::IsPeImage(file) && image->sections.size() <= verify::kMaxPeSections);
  // All is in the digest but the checksum, one entry of a directory, and the signatures.
  std::size_t hashed = 0;
  for (const ByteView part : image->hashed) {
    RequireInside(part, file);
    hashed += part.size();
  }
  const std::size_t left_out = size - hashed - image->certificates.size();
  Require(left_out == 4 || left_out == 12);
  RequireInside(image->certificates, file);
  for (const verify::PeSection& section : image->sections) {
    RequireInside(section.raw, file);
    const auto content = verify::SectionContent(*image, section.name);
    if (content.ok()) RequireInside(*content, file);
  }
  Require(verify::AuthenticodeDigest(*image, TPM2_ALG_SHA256).size() == 32);
  const auto signers = verify::SignersOf(*image);
  if (signers.ok() && image->certificates.empty()) Require(signers->empty());
  if (!verify::IsUnifiedKernel(*image)) return 0;
  const auto sections = verify::MeasuredSections(*image);
  if (!sections.ok()) return 0;
  for (const verify::UkiSection& section : *sections) {
    Require(!section.content.empty());
    if (section.name == ".cmdline") verify::LoadOptionsOf(section.content);
  }
  return 0;
}
