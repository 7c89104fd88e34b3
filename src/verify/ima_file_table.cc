#include "verify/ima_file_table.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kWord = 8;
constexpr std::size_t kCacheLine = 64;
// A record with a long path and several digests.
constexpr std::size_t kPrefetched = 6 * kCacheLine;
constexpr std::string_view kHashes[] = {"sha256", "sha1", "sha384", "sha512"};

std::uint8_t HashId(std::string_view name) {
  const auto* found = std::ranges::find(kHashes, name);
  return static_cast<std::uint8_t>(found - std::begin(kHashes));
}

}  // namespace

ImaFileTable::ImaFileTable(const ImaPolicy& policy)
    : records_(kWord), slots_(std::bit_ceil(2 * policy.files.size() + 1)) {
  for (const auto& [path, digests] : policy.files) {
    records_.resize((records_.size() + kWord - 1) / kWord * kWord);
    // 32 GiB of records: a policy file may have 256 MiB.
    if (records_.size() / kWord > UINT32_MAX) std::abort();
    const std::size_t hash = std::hash<std::string_view>{}(path);
    std::size_t place = hash & (slots_.size() - 1);
    while (slots_[place].record != 0) place = (place + 1) & (slots_.size() - 1);
    slots_[place] = {static_cast<std::uint32_t>(hash >> 32),
                     static_cast<std::uint32_t>(records_.size() / kWord)};
    AppendLittleEndian32(static_cast<std::uint32_t>(path.size()), records_);
    AppendLittleEndian32(static_cast<std::uint32_t>(digests.size()), records_);
    records_.insert(records_.end(), path.begin(), path.end());
    for (const FileDigest& digest : digests) {
      records_.push_back(HashId(digest.hash));
      records_.push_back(static_cast<std::uint8_t>(digest.digest.size()));
      records_.insert(records_.end(), digest.digest.begin(), digest.digest.end());
    }
  }
}

ImaFileTable::Place ImaFileTable::Seek(std::string_view path) const {
  const std::size_t hash = std::hash<std::string_view>{}(path);
  const Place place = {hash & (slots_.size() - 1), static_cast<std::uint32_t>(hash >> 32)};
  __builtin_prefetch(&slots_[place.slot]);
  return place;
}

void ImaFileTable::Fetch(Place place) const {
  while (slots_[place.slot].record != 0 && slots_[place.slot].check != place.check) {
    place.slot = (place.slot + 1) & (slots_.size() - 1);
  }
  const std::uint8_t* record = records_.data() + std::size_t{slots_[place.slot].record} * kWord;
  // May reach beyond the last record, where it does nothing.
  for (std::size_t line = 0; line < kPrefetched; line += kCacheLine) {
    __builtin_prefetch(record + line);
  }
}

ImaFileTable::Answer ImaFileTable::Find(Place place, const ImaFields& fields) const {
  for (; slots_[place.slot].record != 0; place.slot = (place.slot + 1) & (slots_.size() - 1)) {
    if (slots_[place.slot].check != place.check) continue;
    const std::uint8_t* record = records_.data() + std::size_t{slots_[place.slot].record} * kWord;
    const std::uint32_t size = LittleEndian32({record, 4});
    std::uint32_t digests = LittleEndian32({record + 4, 4});
    record += 8;
    if (size != fields.path.size() || std::memcmp(record, fields.path.data(), size) != 0) continue;
    record += size;
    const std::uint8_t wanted = HashId(fields.hash);
    for (; digests > 0; --digests, record += 2 + record[1]) {
      if (record[0] == wanted &&
          std::ranges::equal(ByteView(record + 2, record[1]), fields.digest)) {
        return Answer::kAllowed;
      }
    }
    return Answer::kOther;
  }
  return Answer::kUnknown;
}

}  // namespace seaworthy::verify
