#include "verify/pcr_values.h"

#include <map>
#include <set>
#include <utility>

#include "verify/digest.h"

namespace seaworthy::verify {
namespace {

using PcrId = std::pair<std::uint16_t, std::uint32_t>;  // bank and index

std::string NameOf(const PcrValue& value) {
  return "PCR " + std::to_string(value.index) + " of bank " + HashName(value.bank);
}

Status Malformed(const std::string& what) {
  return Fail(Code::kInvalidArgument, "MALFORMED", what);
}

Result<std::map<PcrId, const Bytes*>> ById(const std::vector<PcrValue>& values) {
  if (values.size() > kMaxPcrValues) {
    return Malformed("there are " + std::to_string(values.size()) + " PCR values");
  }
  std::map<PcrId, const Bytes*> by_id;
  for (const PcrValue& value : values) {
    const std::size_t size = DigestSize(value.bank);
    if (size == 0) return Malformed(NameOf(value) + " is of a bank that is not known");
    if (value.digest.size() != size) {
      return Malformed(NameOf(value) + " has " + std::to_string(value.digest.size()) +
                       " bytes instead of " + std::to_string(size));
    }
    if (!by_id.emplace(PcrId(value.bank, value.index), &value.digest).second) {
      return Malformed(NameOf(value) + " comes twice");
    }
  }
  return by_id;
}

std::string ToText(const std::set<PcrId>& ids) {
  std::vector<PcrBank> banks;
  for (const auto& [bank, index] : ids) {
    if (banks.empty() || banks.back().bank != bank) banks.emplace_back().bank = bank;
    banks.back().indices.push_back(index);
  }
  return ToText(banks);
}

}  // namespace

Result<PcrMatch> MatchPcrs(const std::vector<PcrBank>& quoted,
                           const std::vector<PcrValue>& values) {
  const auto by_id = ById(values);
  if (!by_id.ok()) return by_id.status();
  PcrMatch match;
  std::set<PcrId> asked, missing, unquoted;
  for (const PcrBank& bank : quoted) {
    for (const std::uint32_t index : bank.indices) {
      const PcrId id(bank.bank, index);
      asked.insert(id);
      if (const auto found = by_id->find(id); found != by_id->end()) {
        match.in_order.push_back(found->second);
      } else {
        missing.insert(id);
      }
    }
  }
  for (const auto& [id, digest] : *by_id) {
    if (!asked.contains(id)) unquoted.insert(id);
  }
  match.missing = ToText(missing);
  match.unquoted = ToText(unquoted);
  return match;
}

std::string ToText(const std::vector<PcrBank>& banks) {
  std::string text;
  for (const PcrBank& bank : banks) {
    if (bank.indices.empty()) continue;
    text += (text.empty() ? "" : "+") + HashName(bank.bank);
    char separator = ':';
    for (const std::uint32_t index : bank.indices) {
      text += separator + std::to_string(index);
      separator = ',';
    }
  }
  return text;
}

}  // namespace seaworthy::verify
