// Judges a node's evidence by a policy, in one piece or as it comes in, once or round after round.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/ima_list.h"
#include "seaworthy/policy.h"
#include "seaworthy/verify.h"

namespace seaworthy::verify {

// More certifications in one evidence make it untrusted.
inline constexpr std::size_t kMaxKeys = 64;

// What a backend keeps between two rounds with a node. It is small and plain, so that any of the
// backend's machines can go on with it; who can change it can make the verifier believe anything.
struct NodeState {
  struct Pcr {
    std::uint16_t bank = 0;
    ImaReplay::Form form = ImaReplay::Form::kNative;
    Bytes value;
  };
  Bytes ak_name;
  std::uint64_t clock_ms = 0;
  std::uint32_t reset_count = 0;
  std::uint32_t restart_count = 0;
  std::uint64_t ima_entries = 0;  // judged so far in this boot of the node
  std::vector<Pcr> ima_pcrs;      // PCR 10 after them, in each quoted bank
};

// INVALID_ARGUMENT (STATE_MALFORMED).
Result<NodeState> ParseNodeState(std::string_view json);
std::string ToJson(const NodeState& state);

struct Judgement {
  Verdict verdict;
  // To be kept for the next round. Nothing unless trusted: what was wrong is judged again then.
  std::optional<NodeState> state;
};

// One round with one node: the quote and the certified keys first, then the logs as they come, then
// the verdict. Memory is bounded by the policy, not by the logs. Not thread-safe.
class Round {
 public:
  Round(Round&&) noexcept;
  ~Round();

  // More of the IMA list; the first bytes are those of entry Evidence::ima_first.
  void AddImaList(ByteView chunk);

  // The verdict over all that came.
  Judgement Finish() &&;

 private:
  friend class Verifier;
  struct Parts;
  explicit Round(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// A policy made ready. Const and thread-safe: one for all nodes that share a policy.
class Verifier {
 public:
  // INVALID_ARGUMENT (IMA_KEY_MALFORMED) for a key of the policy that is none.
  static Result<Verifier> Create(Policy policy);
  Verifier(Verifier&&) noexcept;
  ~Verifier();

  // The key certifications in the evidence are judged with the quote, by the same nonce and key.
  // `previous` is what the last round with this node left, nothing at the first. `nonce_age` is how
  // long ago the nonce was made, which only the caller knows; a policy with max_age_seconds needs
  // it. The evidence's own IMA list, if it has one, is added.
  Round Begin(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak,
              const std::optional<NodeState>& previous,
              std::optional<std::chrono::seconds> nonce_age = std::nullopt) const;

  // The same in one call.
  Judgement Verify(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak,
                   const std::optional<NodeState>& previous = std::nullopt,
                   std::optional<std::chrono::seconds> nonce_age = std::nullopt) const;

 private:
  struct Ready;
  explicit Verifier(std::unique_ptr<Ready> ready);
  std::unique_ptr<Ready> ready_;
};

// The policy by which this evidence is trusted: the values of these PCRs in each bank, and the
// digest of each file in the IMA list, and of the boot log the EFI programs and what it proves of
// Secure Boot. It is for the caller to know that the node was good.
Result<Policy> LearnPolicy(const Evidence& evidence, const std::vector<std::uint32_t>& pcrs);

// Allows one more digest for a file; what was allowed stays.
void AllowFile(Policy& policy, const std::string& path, FileDigest digest);

}  // namespace seaworthy::verify
