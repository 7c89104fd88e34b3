// The end of a re-encryption: all data are under the new key, the header still speaks of both.
//
// A program that dies there leaves metadata that libcryptsetup (2.6.1, and its command line with
// it) can't tell from those of the very beginning: both have one segment. Resuming, it would
// encrypt the data again from the start, with the old key first, and destroy them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::volumes {

struct ReencryptionEnd {
  std::string json;                  // the metadata as they are to become
  std::vector<int> unused_keyslots;  // of the old key, and of the re-encryption itself
};

// Nothing when data are left to be re-encrypted. FAILED_PRECONDITION
// (REENCRYPTION_UNSUPPORTED) for metadata of something else: encryption and decryption in place.
Result<std::optional<ReencryptionEnd>> FindReencryptionEnd(std::string_view json);

}  // namespace seaworthy::volumes
