#include "modules/attestation/ima_follower.h"

#include <numeric>

#include "seaworthy/status_macros.h"

namespace seaworthy::attestation {
namespace {

// Ten thousand entries or so.
constexpr std::size_t kKept = std::size_t{1} << 20;

}  // namespace

Result<ImaFollower> ImaFollower::Open(const std::string& path, std::uint16_t bank) {
  ASSIGN_OR_RETURN(verify::ImaListFile list, verify::ImaListFile::Open(path));
  ASSIGN_OR_RETURN(verify::ImaReplay replay, verify::ImaReplay::Start(bank));
  return ImaFollower(std::move(list), std::move(replay));
}

void ImaFollower::Keep(ByteView entry) {
  kept_.insert(kept_.end(), entry.begin(), entry.end());
  kept_sizes_.push_back(entry.size());
  if (kept_.size() < 2 * kKept) return;
  std::size_t dropped = 0;
  while (kept_.size() - dropped > kKept) {
    dropped += kept_sizes_.front();
    kept_sizes_.pop_front();
    ++kept_first_;
  }
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(dropped));
}

Bytes ImaFollower::Kept(std::uint64_t first) const {
  if (first >= replayed_) return {};
  const auto end = kept_sizes_.begin() + static_cast<std::ptrdiff_t>(first - kept_first_);
  const std::size_t before = std::accumulate(kept_sizes_.begin(), end, std::size_t{0});
  return {kept_.begin() + static_cast<std::ptrdiff_t>(before), kept_.end()};
}

Result<bool> ImaFollower::FollowTo(ByteView pcr10, std::uint64_t first, Deadline deadline,
                                   const Take& take) {
  Bytes piece = Kept(first);
  std::optional<verify::ImaReplay::Form> form = replay_.Find(pcr10);
  while (!form) {
    ASSIGN_OR_RETURN(const std::optional<verify::ImaEntry> entry, list_.Next(deadline));
    if (!entry) break;
    if (entry->pcr == verify::kImaPcr) replay_.Extend(*entry, verify::ImaTemplateSha1(*entry));
    ++replayed_;
    Keep(entry->bytes);
    form = replay_.Find(pcr10);
    if (entry->number < first) continue;
    piece.insert(piece.end(), entry->bytes.begin(), entry->bytes.end());
    if (piece.size() < kPiece) continue;
    RETURN_IF_ERROR(take(piece));
    piece.clear();
  }
  if (first > replayed_) {
    return Fail(Code::kOutOfRange, "IMA_LIST_SHORTER",
                list_.path() + " has " + std::to_string(replayed_) + " entries");
  }
  // Before the first entry both forms are all zeros.
  if (form && replayed_ > 0) replay_.Settle(*form);
  RETURN_IF_ERROR(take(piece));
  return form.has_value();
}

}  // namespace seaworthy::attestation
