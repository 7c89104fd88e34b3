// libseaworthy-verify: what PCRs will be at a boot after an update. What no change names is taken
// to be measured as it was at this boot: firmware, boot loaders, their menus, who pressed a key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "seaworthy/boot_log.h"
#include "seaworthy/verify.h"

namespace seaworthy::verify {

// A file that the firmware, a boot loader or the kernel's EFI stub reads: shim, GRUB, systemd-boot,
// a unified kernel image, a kernel, an initrd, grub.cfg. Its events are those with the digest of
// `before`: of PE images the Authenticode digest, of what GRUB and Linux measure that of all bytes.
// Of a unified kernel image follow its sections in PCR 11, and what the kernel got out of it.
struct FileChange {
  // As it ends in the log, from a slash on: "\EFI\BOOT\BOOTX64.EFI", "/vmlinuz-6.1.0-49-amd64".
  // Names the events where `before` is not there: the log's word alone.
  std::string path;
  std::optional<ByteView> before;
  ByteView after;
};

// The kernel's command line, printable ASCII. As GRUB has it, it begins with the kernel's file. In
// a unified kernel image it is part of the file: then it is a FileChange.
struct CommandLineChange {
  std::string before;
  std::string after;
};

// A variable in PCR 7: PK, KEK, db, dbx, SecureBoot.
struct VariableChange {
  std::string name;
  Bytes value;
};

// An event that is known by its digest, in the bank that is predicted.
struct DigestChange {
  std::uint32_t pcr = 0;
  Bytes before;
  Bytes after;
};

using BootChange = std::variant<FileChange, CommandLineChange, VariableChange, DigestChange>;

// Files are read while it is predicted: what they point to must live on.
struct PcrForecast {
  const BootLog& log;                    // of this boot
  const std::vector<PcrValue>& present;  // values of this boot, those of `pcrs` among them
  std::uint16_t bank = 0;
  std::vector<std::uint32_t> pcrs;
  // What systemd-pcrphase will have extended into PCR 11 when the values are to hold: in the
  // initrd "enter-initrd". Present values may be of any of its phases.
  std::vector<std::string> phases = {};
};

// The values in the order of `pcrs`. FAILED_PRECONDITION, reason CANNOT_PREDICT, names the PCR and
// why: the log does not replay to its present value (something was extended that is not in the
// log), it has an event that depends on a change in a way that is not known, or no event that a
// change is about. INVALID_ARGUMENT for a change that is none: MALFORMED for a PE image, BAD_CHANGE
// for others; for a PCR without a present value BAD_SELECTION.
Result<std::vector<PcrValue>> PredictPcrs(const PcrForecast& forecast,
                                          const std::vector<BootChange>& changes);

}  // namespace seaworthy::verify
