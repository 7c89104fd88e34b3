// An IMA list from a stranger: the first byte says in which form, and in what chunks it comes. What
// is read in one piece is read the same in many; an ascii list becomes a binary one that is read.
#include <algorithm>
#include <cstdlib>

#include "seaworthy/ima_list.h"

namespace {

using seaworthy::Bytes;
using seaworthy::ByteView;
namespace verify = seaworthy::verify;

struct Read {
  std::uint64_t entries = 0;
  bool malformed = false;
  Bytes value;
};

Read ReadList(ByteView list, std::size_t chunk) {
  Read read;
  verify::ImaListReader reader;
  verify::ImaReplay replay = verify::ImaReplay::Start(0x000b).value();
  for (std::size_t at = 0; at < list.size() && !read.malformed; at += chunk) {
    reader.Add(list.subspan(at, std::min(chunk, list.size() - at)));
    while (true) {
      const auto entry = reader.Next();
      read.malformed = !entry.ok();
      if (read.malformed || !entry->has_value()) break;
      static_cast<void>(verify::ParseImaFields(**entry));
      replay.Extend(**entry, verify::ImaTemplateSha1(**entry));
    }
  }
  read.entries = reader.number();
  const ByteView value = replay.Value(verify::ImaReplay::Form::kNative);
  read.value.assign(value.begin(), value.end());
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  Bytes list(input.begin(), input.end());
  if ((data[0] & 1) != 0) {
    auto binary = verify::ImaAsciiToBinary(seaworthy::AsText(input));
    if (!binary.ok()) return 0;
    list = *std::move(binary);
    if (ReadList(list, list.size() + 1).malformed) std::abort();
  }
  const Read whole = ReadList(list, list.size() + 1);
  const Read parts = ReadList(list, 1 + (data[0] >> 1));
  if (whole.malformed != parts.malformed || whole.entries != parts.entries ||
      whole.value != parts.value) {
    std::abort();
  }
  return 0;
}
