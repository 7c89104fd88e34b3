#pragma once

#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

// EFI_DEVICE_PATH_PROTOCOL as the UEFI specification (2.10, 10.6) writes it:
// "PciRoot(0x0)/Pci(0x1F,0x2)/HD(1,GPT,...)/\EFI\BOOT\BOOTX64.EFI". Nodes it has no text for, or
// with a size that is not theirs, are "Path(type,subtype,hex)"; where the path breaks off the
// text ends in "/?".
std::string DevicePathText(ByteView path);

}  // namespace seaworthy::verify
