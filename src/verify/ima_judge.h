// The IMA list of one round: replayed against the quoted PCR 10 and judged, entry by entry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "seaworthy/ima_list.h"
#include "seaworthy/ima_signature.h"
#include "seaworthy/policy.h"
#include "seaworthy/verifier.h"
#include "verify/ima_file_judge.h"
#include "verify/report.h"

namespace seaworthy::verify {

class ImaJudge {
 public:
  // `policy`, `files`, made of it, and `keys` outlive it. `pcrs` are values that the quote vouches
  // for. The list begins with entry `first`; `previous` is the state of the last round in the same
  // boot, or nothing.
  ImaJudge(const ImaPolicy& policy, const ImaFileTable& files, const ImaKeys& keys,
           const std::vector<PcrValue>& pcrs, std::uint64_t first, const NodeState* previous,
           Report& report);

  void Add(ByteView chunk, Report& report);
  void Finish(Report& report);

  // What the next round goes on from: the entries up to the quote.
  std::uint64_t entries() const { return entries_; }
  std::vector<NodeState::Pcr> pcr_values() const;

 private:
  struct Bank {
    ImaReplay replay;
    Bytes quoted;  // PCR 10
  };
  bool StartReplays(const NodeState* previous, Report& report);
  void Entry(const ImaEntry& entry, Report& report);
  void JudgeEntry(const ImaEntry& entry, const ImaFields& fields, ImaFileTable::Place place,
                  Report& report);
  void JudgeBootAggregate(const ImaEntry& entry, const ImaFields& fields, Report& report);
  // Adds a finding about an entry, unless there are too many already.
  void Find(Finding finding, const ImaEntry& entry, std::string_view path, Report& report);
  void CompareWithQuote();

  const ImaPolicy& policy_;
  const ImaFileTable& files_;
  const ImaKeys& keys_;
  std::map<std::pair<std::uint16_t, std::uint32_t>, Bytes> pcrs_;
  ImaListReader reader_;
  std::vector<Bank> banks_;  // the quoted ones
  // Where the replay had the quoted values; what follows was measured after the quote.
  bool at_quote_ = false;
  bool broken_ = false;  // nothing more can be said; told
  std::uint64_t entries_ = 0;
  std::uint64_t beyond_ = 0;  // entries behind the quote
  std::uint64_t untold_ = 0;  // findings that were too many
  Severity worst_untold_ = Severity::kInfo;
  std::uint64_t told_ = 0;
  std::uint64_t judged_ = 0;
};

}  // namespace seaworthy::verify
