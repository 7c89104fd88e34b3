// The files of a policy, laid out to be asked once an entry of the list: a map of strings and
// vectors would take as long as all the hashing, waiting for memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "seaworthy/ima_list.h"
#include "seaworthy/policy.h"

namespace seaworthy::verify {

class ImaFileTable {
 public:
  explicit ImaFileTable(const ImaPolicy& policy);

  // Where a path would be. Its slot, and what Fetch finds there, begin to come from memory, which
  // takes as long as a digest: the caller makes those of the entry between these calls and Find.
  struct Place {
    std::size_t slot = 0;
    std::uint32_t check = 0;
  };
  Place Seek(std::string_view path) const;
  void Fetch(Place place) const;

  enum class Answer { kUnknown, kAllowed, kOther };
  // Whether the policy has the path, and whether this digest is one of those it allows. `place` is
  // the path's.
  Answer Find(Place place, const ImaFields& fields) const;

 private:
  struct Slot {
    std::uint32_t check = 0;   // of the path's hash, so that few wrong records are looked at
    std::uint32_t record = 0;  // place in records_ in words of 8 bytes; 0 in an empty slot
  };

  // A record: the path's size and the number of digests (32 bits each), the path, and for each
  // digest the place of its hash's name in kHashes, its size, its bytes.
  Bytes records_;
  std::vector<Slot> slots_;  // open addressing, at most half of them used; a power of two
};

}  // namespace seaworthy::verify
