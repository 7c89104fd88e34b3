// The stretches of a volume's header, and how they are read and written: as a whole, or it is an
// error.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/modules/volumes/luks2_header.h"

namespace seaworthy::volumes {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t end() const { return offset + size; }
  bool Overlaps(const Extent& other) const { return offset < other.end() && other.offset < end(); }
};

// Of a header that JudgeHeader found good: both copies, and the room for keyslots behind them, in
// which each area lies.
Extent Primary(const Luks2Header& header);
Extent Secondary(const Luks2Header& header);
Extent Room(const Luks2Header& header);
Extent AreaOf(const Luks2Keyslot& keyslot);
// What no keyslot has of the room.
std::vector<Extent> Unused(const Luks2Header& header);

// How much there was to be read. UNAVAILABLE (READ_FAILED).
Result<std::size_t> ReadAt(int fd, std::uint64_t offset, std::span<std::uint8_t> out);
// FAILED_PRECONDITION (LUKS_HEADER_DAMAGED) where the device ends before.
Status ReadAll(int fd, std::uint64_t offset, std::span<std::uint8_t> out);
Status WriteAll(int fd, std::uint64_t offset, ByteView bytes);
// With random bytes, as LUKS has them where nothing is: zeros would tell where a keyslot was.
Status Overwrite(int fd, const Extent& extent);
Status Sync(int fd);

}  // namespace seaworthy::volumes
