// The kernel's IMA list, followed as it grows.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "seaworthy/ima_list_file.h"

namespace seaworthy::attestation {

// Keeps the file open and the replay where it was, so that going on costs what is new, and keeps
// the last entries, for callers that are a little behind. Not thread-safe.
class ImaFollower {
 public:
  using Take = std::function<Status(ByteView entries)>;

  // Replays PCR 10 of this bank, a TPM_ALG_ID. NOT_FOUND when there is no such file,
  // FAILED_PRECONDITION (IMA_LIST_UNREADABLE) when it cannot be read.
  static Result<ImaFollower> Open(const std::string& path, std::uint16_t bank);

  std::uint16_t bank() const { return replay_.bank(); }
  // The first entry that FollowTo can still hand over.
  std::uint64_t oldest() const { return kept_first_; }

  // Reads on until PCR 10 has this value, and hands over whole entries from `first` (not before
  // oldest()) up to there, in pieces of about kPiece bytes; the last one, which may be empty,
  // always comes. When the list ends before, everything up to its end is handed over: false.
  // OUT_OF_RANGE (IMA_LIST_SHORTER), and nothing is handed over, when there are fewer entries than
  // `first`.
  Result<bool> FollowTo(ByteView pcr10, std::uint64_t first, Deadline deadline, const Take& take);

  static constexpr std::size_t kPiece = std::size_t{1} << 20;

 private:
  ImaFollower(verify::ImaListFile list, verify::ImaReplay replay)
      : list_(std::move(list)), replay_(std::move(replay)) {}

  void Keep(ByteView entry);
  // The entries that are kept, from `first` on.
  Bytes Kept(std::uint64_t first) const;

  verify::ImaListFile list_;
  verify::ImaReplay replay_;
  std::uint64_t replayed_ = 0;    // entries
  std::uint64_t kept_first_ = 0;  // the number of the first of kept_
  std::deque<std::size_t> kept_sizes_;
  Bytes kept_;  // the last entries of those replayed
};

}  // namespace seaworthy::attestation
