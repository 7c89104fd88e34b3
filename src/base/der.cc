#include "seaworthy/der.h"

#include <algorithm>

namespace seaworthy {
namespace {

constexpr std::uint8_t kSequence = 0x30;
constexpr std::size_t kMaxLengthOctets = 4;

bool IsPadding(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0x00; }) ||
         std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0xff; });
}

// Bytes that the SEQUENCE at the beginning takes; 0 when there is no whole one. A length in more
// octets than it needs is no DER, but is found in certificates and does no harm here.
std::size_t SequenceSize(ByteView bytes) {
  if (bytes.size() < 2 || bytes[0] != kSequence) return 0;
  std::size_t head = 2;
  std::size_t content = bytes[1];
  if (content > 0x7f) {
    const std::size_t octets = content & 0x7f;
    head += octets;
    if (octets == 0 || octets > kMaxLengthOctets || bytes.size() < head) return 0;
    content = 0;
    for (std::size_t i = 2; i < head; ++i) content = content << 8 | bytes[i];
  }
  return content <= bytes.size() - head ? head + content : 0;
}

}  // namespace

std::vector<Bytes> SplitSequences(ByteView bytes) {
  std::vector<Bytes> sequences;
  while (!IsPadding(bytes)) {
    const std::size_t whole = SequenceSize(bytes);
    const std::size_t size = whole == 0 ? bytes.size() : whole;
    sequences.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    bytes = bytes.subspan(size);
  }
  return sequences;
}

}  // namespace seaworthy
