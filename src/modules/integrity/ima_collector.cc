#include "modules/integrity/ima_collector.h"

#include <algorithm>

#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {

Result<ImaCollector> ImaCollector::Open(const std::string& path, std::uint16_t bank) {
  ASSIGN_OR_RETURN(verify::ImaListFile list, verify::ImaListFile::Open(path));
  ASSIGN_OR_RETURN(const verify::ImaReplay replay, verify::ImaReplay::Start(bank));
  return ImaCollector(std::move(list), replay);
}

bool ImaCollector::Compare(ByteView pcr10) {
  const std::optional<verify::ImaReplay::Form> form = replay_.Find(pcr10);
  if (!form) return false;
  // Before the first entry both forms are all zeros.
  if (entries_ > 0) replay_.Settle(*form);
  confirmed_ = entries_;
  return true;
}

Result<bool> ImaCollector::ReadOn(ByteView pcr10, Deadline deadline, const Visit& visit) {
  bool found = Compare(pcr10);
  if (!found && entries_ > 0 && before_last_.Find(pcr10)) {
    found = true;
    confirmed_ = std::max(confirmed_, entries_ - 1);
  }
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<verify::ImaEntry> entry, list_.Next(deadline));
    if (!entry) return found;
    before_last_ = replay_;
    if (entry->pcr == verify::kImaPcr) replay_.Extend(*entry, verify::ImaTemplateSha1(*entry));
    ++entries_;
    bytes_ += entry->bytes.size();
    visit(*entry);
    found = Compare(pcr10) || found;
  }
}

}  // namespace seaworthy::integrity
