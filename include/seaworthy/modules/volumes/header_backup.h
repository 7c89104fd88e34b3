// A volume's header and keyslots, kept elsewhere and put back.
#pragma once

#include <string>

#include "seaworthy/modules/volumes/header_copy.h"

namespace seaworthy::volumes {

// As `cryptsetup luksHeaderBackup` makes it, for `cryptsetup luksHeaderRestore`: the copy as it is
// now, up to the end of the room for keyslots, with zeros where no keyslot is. Whoever has it and a
// passphrase of that time opens the volume.
Result<Bytes> HeaderImage(const HeaderCopy& copy);

// The image in an envelope that the node cannot open. Errors are Envelop's (envelope.h).
Result<std::string> BackUpHeader(const HeaderCopy& copy, const std::string& certificates_pem);

// Puts an image back, in place of a header that is damaged, too. INVALID_ARGUMENT: what
// ReadLuks2Header says of the image, HEADER_IMAGE_SHORT, HEADER_DETACHED (it is of a volume whose
// data lie elsewhere). PERMISSION_DENIED: what JudgeHeader says of it. FAILED_PRECONDITION:
// DEVICE_IN_USE, DEVICE_TOO_SMALL; OTHER_VOLUME, unless told, when the device has another volume's
// header, one with another volume key, or none. `root` as for Probe.
//
// Broken off at any moment it leaves the header before or that of the image, and can be made again.
// Where keyslots of the header before lay they may be overwritten by then: keep the image until it
// is done. What was recorded of the image is older than the TPM's counter: it is refused
// (HEADER_ROLLED_BACK) until it is accepted (header_accept.h).
Status RestoreHeader(const std::string& device, ByteView image, bool over_other_volume,
                     const std::string& root = "/");

}  // namespace seaworthy::volumes
