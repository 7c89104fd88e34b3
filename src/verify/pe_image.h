// PE images as EFI loads them: what of a file its Authenticode digest is over, its sections, and
// who signed it. Whoever made the file may have chosen every byte of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

inline constexpr std::size_t kMaxPeImage = std::size_t{1} << 30;
inline constexpr std::size_t kMaxPeSections = 96;  // of the Microsoft PE format's loaders

struct PeSection {
  std::string name;  // up to its first NUL, or out of the string table; not to be printed
  std::uint32_t virtual_size = 0;
  ByteView raw;  // in the file; padded, or shorter than virtual_size
};

// Points into the file.
struct PeImage {
  std::vector<ByteView> hashed;  // what the Authenticode digest is over, in this order
  std::vector<PeSection> sections;
  ByteView certificates;  // WIN_CERTIFICATEs; empty in an image that is not signed
};

// Whether it begins as one.
bool IsPeImage(ByteView file);

// INVALID_ARGUMENT, reason MALFORMED. Stricter than EFI: where firmware and the programs that sign
// would take a digest over other bytes, as between sections with a gap, it is an error.
Result<PeImage> ParsePeImage(ByteView file);

// As PCR 4 has it. `bank` is one of PcrBankHash.
Bytes AuthenticodeDigest(const PeImage& image, std::uint16_t bank);

// The only section of that name as it lies in memory; empty when there is none. MALFORMED when
// there are two, or when the file has less than all of it.
Result<ByteView> SectionContent(const PeImage& image, std::string_view name);

// Who signed the image and with which certificates: equal in two images that the same entry of a
// signature database allows. MALFORMED when a signature cannot be read.
Result<std::vector<Bytes>> SignersOf(const PeImage& image);

}  // namespace seaworthy::verify
