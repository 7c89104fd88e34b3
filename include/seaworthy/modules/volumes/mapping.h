// Volumes as block devices, for a process that has not the privilege: seaworthy-mapper has it, one
// process for each request, started by systemd.
#pragma once

#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/volumes/activation.h"
#include "seaworthy/modules/volumes/header_copy.h"

namespace seaworthy::volumes {

// Names in /dev/mapper that the mapper takes: 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit
// first, not "control". INVALID_ARGUMENT (MAPPING_NAME_INVALID).
Status CheckMappingName(const std::string& name);

// Errors are the mapper's, as if the work had been done here; and UNAVAILABLE (MAPPER_MISSING) when
// nobody listens on the socket, UNAVAILABLE (MAPPER_GONE) when it ended without an answer, and
// DEADLINE_EXCEEDED (MAPPER_TIMEOUT). After these two it may or may not be done: see
// active_volume.h. Thread-safe.
class Mapper {
 public:
  explicit Mapper(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  // /dev/mapper/NAME of the device that the header was taken of, by that header and no other; as
  // `cryptsetup open` makes it. ALREADY_EXISTS; FAILED_PRECONDITION: DEVICE_IN_USE, NOT_A_DEVICE,
  // DEVICE_MAPPER_MISSING; PERMISSION_DENIED: VOLUME_KEY_WRONG, and what JudgeHeader says.
  Status Open(Deadline deadline, const HeaderCopy& header, const std::string& name,
              const SecretBytes& volume_key, const ActivationOptions& options) const;

  // Of a LUKS2 volume's mapping alone, whoever made it (MAPPING_FOREIGN). FAILED_PRECONDITION
  // (DEVICE_IN_USE) unless `deferred`: then it goes when its last user does. NOT_FOUND
  // (VOLUME_NOT_ACTIVE).
  Status Close(Deadline deadline, const std::string& name, bool deferred = false) const;

 private:
  std::string socket_path_;
};

}  // namespace seaworthy::volumes
