// The boot of a unified kernel image with Secure Boot on, as firmware, systemd's stub 252 and Linux
// log it.
#pragma once

#include "unit/verify/boot_log_builder.h"
#include "unit/verify/pe_maker.h"
#include "verify/unified_kernel.h"

namespace seaworthy::volumes {

inline constexpr std::uint32_t kUkiPcrs = 1U << 4 | 1U << 7 | 1U << 9 | 1U << 11;

inline Bytes MakeUki(const verify::PeMaker& maker, const std::string& kernel,
                     const std::string& command_line, const std::string& initrd) {
  return maker.Signed(maker.Uki({{".osrel", "ID=x\n"},
                                 {".cmdline", command_line},
                                 {".linux", kernel},
                                 {".initrd", initrd}}),
                      "a");
}

inline Bytes Tagged(std::uint32_t id) {
  return verify::Join({verify::Le(id, 4), verify::Le(4, 4), verify::ToBytes("name")});
}

// The log's file. `dbx`: the variable's value.
inline Bytes UkiLog(const Bytes& uki, const Bytes& dbx) {
  using verify::Join;
  const verify::PeImage image = verify::ParsePeImage(uki).value();
  Bytes hashed;
  for (const ByteView part : image.hashed) hashed.insert(hashed.end(), part.begin(), part.end());
  verify::LogBuilder log(verify::Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA256}));
  log.Add(7, verify::kEvEfiVariableDriverConfig,
          verify::Variable(verify::kGlobal, "SecureBoot", {1}));
  log.Add(7, verify::kEvEfiVariableDriverConfig,
          verify::Variable(verify::kSecurityDatabase, "dbx", dbx));
  log.Separators();
  log.Add(7, verify::kEvEfiVariableAuthority,
          verify::Variable(verify::kSecurityDatabase, "db", Bytes(200, 7)));
  log.Add(4, verify::kEvEfiBootServicesApplication,
          verify::Image(verify::FilePath("\\EFI\\BOOT\\BOOTX64.EFI")), hashed);
  const std::vector<verify::UkiSection> sections = verify::MeasuredSections(image).value();
  for (const verify::UkiSection& section : sections) {
    const Bytes content(section.content.begin(), section.content.end());
    const std::string name(section.name);
    const Bytes logged = Join({verify::Utf16(name), {0, 0}});
    log.Add(11, verify::kEvIpl, logged, verify::ToBytes(name + '\0'));
    log.Add(11, verify::kEvIpl, logged, content);
    if (name == ".cmdline") {
      log.Add(9, verify::kEvEventTag, Tagged(0x8f3b22ed), verify::LoadOptionsOf(content).value());
    }
    if (name == ".initrd") log.Add(9, verify::kEvEventTag, Tagged(0x8f3b22ec), content);
  }
  return log.file();
}

}  // namespace seaworthy::volumes
