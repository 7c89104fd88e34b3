// A header, whoever wrote it. What is read and found good has the one cipher and nothing else; what
// was recorded of a header is good as long as it stays as it was.
//
// "J" and JSON; or "B", 512 bytes of the primary and 512 of the secondary copy, and the JSON of
// both, whose checksums are mended, as an attacker would; or "R" and a header as it is.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "modules/volumes/crypto.h"
#include "seaworthy/handle.h"
#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/header_judge.h"

namespace {

namespace volumes = seaworthy::volumes;
using seaworthy::Bytes;
using seaworthy::ByteView;

constexpr std::size_t kCopy = 16384;
constexpr std::size_t kBinary = 4096;
constexpr std::size_t kFields = 512;
constexpr std::size_t kChecksum = 448;

Bytes Assemble(ByteView input) {
  Bytes image(2 * kCopy);
  if (input.size() < 2 * kFields) return image;
  const ByteView json = input.subspan(2 * kFields);
  for (const std::size_t copy : {0U, 1U}) {
    const auto begin = image.begin() + static_cast<std::ptrdiff_t>(copy * kCopy);
    std::ranges::copy(input.subspan(copy * kFields, kFields), begin);
    std::ranges::copy(json.first(std::min(json.size(), kCopy - kBinary)), begin + kBinary);
    std::fill_n(begin + kChecksum, kFields - kChecksum, std::uint8_t{0});
    const auto digest = volumes::Sha256Of(ByteView(image).subspan(copy * kCopy, kCopy));
    std::ranges::copy(*digest, begin + kChecksum);
  }
  return image;
}

void CheckJudged(const volumes::Luks2Header& header) {
  for (const auto expected :
       {volumes::Reencryption::kUnexpected, volumes::Reencryption::kExpected}) {
    const auto findings = volumes::JudgeHeader(header, expected);
    if (!findings.empty()) {
      if (volumes::ToStatus(findings).ok()) std::abort();
      continue;
    }
    for (const auto& [number, segment] : header.metadata.segments) {
      if (segment.encryption != "aes-xts-plain64" || segment.type != "crypt") std::abort();
    }
    for (const auto& [number, keyslot] : header.metadata.keyslots) {
      if (keyslot.type == "luks2" && keyslot.area.encryption != "aes-xts-plain64") std::abort();
    }
  }
}

void CheckGuarded(volumes::Luks2Header header, const volumes::KeyslotAreaDigests& areas) {
  volumes::Luks2Metadata& metadata = header.metadata;
  std::erase_if(metadata.tokens,
                [](const auto& token) { return token.second.type == volumes::kGuard; });
  const auto keyslot = std::ranges::find_if(
      metadata.keyslots, [](const auto& entry) { return entry.second.type == "luks2"; });
  if (keyslot == metadata.keyslots.end()) return;
  const volumes::WayIn way_in[] = {
      {.keyslot = keyslot->first, .secret = seaworthy::AsBytes("a secret of 16 b")}};
  const auto record = volumes::MakeGuard({.header = header, .areas = areas}, {}, way_in);
  if (!record.ok()) std::abort();
  metadata.tokens[99] = {.type = volumes::kGuard, .keyslots = {}, .json = volumes::ToJson(*record)};
  if (!CheckGuard({.header = header, .areas = areas}, way_in[0], std::nullopt).ok()) std::abort();
  keyslot->second.json += " ";
  if (CheckGuard({.header = header, .areas = areas}, way_in[0], std::nullopt).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  volumes::Luks2Header header;
  volumes::KeyslotAreaDigests areas;
  if (data[0] == 'J') {
    header.size = kCopy;
    auto metadata = volumes::ParseLuks2Metadata(seaworthy::AsText(input));
    if (!metadata.ok()) return 0;
    if (!SameMetadata(*metadata, *metadata).ok()) std::abort();
    header.metadata = *std::move(metadata);
    for (const auto& [number, keyslot] : header.metadata.keyslots) areas[number] = Bytes(32);
  } else {
    const Bytes image = data[0] == 'B' ? Assemble(input) : Bytes(input.begin(), input.end());
    const seaworthy::UniqueFd fd(memfd_create("header", MFD_CLOEXEC));
    if (pwrite(fd.get(), image.data(), image.size(), 0) != static_cast<ssize_t>(image.size())) {
      std::abort();
    }
    auto read = volumes::ReadLuks2Header(fd.get());
    if (!read.ok()) return 0;
    header = *std::move(read);
    auto digests = volumes::DigestKeyslotAreas(fd.get(), header.metadata);
    if (digests.ok()) areas = *std::move(digests);
    for (const auto& [number, keyslot] : header.metadata.keyslots) {
      areas.try_emplace(number, Bytes(32));
    }
  }
  CheckJudged(header);
  CheckGuarded(std::move(header), areas);
  return 0;
}
