// A volume's header, judged, in memory: what is looked at there is what is used, whatever is on the
// disk by then; and it is changed there in as many steps as it takes, and put back as a whole.
#pragma once

#include <string>

#include "seaworthy/handle.h"
#include "seaworthy/modules/volumes/header_judge.h"
#include "seaworthy/modules/volumes/luks.h"
#include "seaworthy/modules/volumes/luks2_header.h"

namespace seaworthy::volumes {

class HeaderCopy {
 public:
  // Of the volume on a block device or in a file. Errors of ReadLuks2Header and of JudgeHeader.
  static Result<HeaderCopy> Take(const std::string& path,
                                 Reencryption reencryption = Reencryption::kUnexpected);

  const std::string& device() const { return device_; }
  // As it was taken.
  const Luks2Header& header() const { return header_; }
  // The copy, for who reads it, and as it is now.
  int fd() const { return copy_.get(); }
  Result<Luks2Header> Now() const { return ReadLuks2Header(fd()); }

  // The copy alone, to be changed: nothing of it reaches the device.
  Result<Luks> OpenAlone() const;
  // The device, by this header.
  Result<Luks> OpenVolume() const;

  // Writes the copy in place of what it was taken from. Keyslots that are new come first, into room
  // that no keyslot has, and then one copy of the header after the other: whenever it is broken off
  // the volume has the header before or the one after. Then what no keyslot has any more is
  // overwritten, and so are leftovers of changes that were broken off there. ABORTED
  // (HEADER_CHANGED) when the device has another header by now; FAILED_PRECONDITION
  // (HEADER_AREA_REUSED) for a copy in which a keyslot took the place of another. `reencryption`
  // says whether the copy may be of a volume that is to be re-encrypted from now on.
  Status PutBack(Reencryption reencryption = Reencryption::kUnexpected);

 private:
  HeaderCopy(std::string device, UniqueFd copy, Luks2Header header)
      : device_(std::move(device)), copy_(std::move(copy)), header_(std::move(header)) {}
  std::string path() const;
  Status WriteTo(int device, const Luks2Header& now);

  std::string device_;
  UniqueFd copy_;
  Luks2Header header_;
};

}  // namespace seaworthy::volumes
