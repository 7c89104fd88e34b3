// The IMA lists of the captures, cut to fit their quotes, and policies made of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "seaworthy/verifier.h"
#include "unit/verify/captures.h"

namespace seaworthy::verify {

// Where each entry begins; the last number is the size of the list.
inline std::vector<std::size_t> EntryOffsets(ByteView list) {
  std::vector<std::size_t> offsets = {0};
  ImaListReader reader;
  reader.Add(list);
  while (true) {
    const auto entry = reader.Next();
    EXPECT_TRUE(entry.ok()) << entry.status();
    if (!entry.ok() || !entry->has_value()) break;
    offsets.push_back(list.size() - reader.rest());
  }
  EXPECT_EQ(offsets.back(), list.size());
  return offsets;
}

// A capture with its list from entry `first` up to the quote.
inline Capture ReadImaCapture(const std::string& folder, const std::string& name = "quote",
                              std::size_t first = 0) {
  Capture capture = ReadQuote(folder, name);
  const Bytes list = ReadCapture(folder, "binary_runtime_measurements");
  std::optional<std::size_t> end;
  for (const PcrValue& pcr : capture.evidence.pcrs) {
    if (pcr.index == 10) end = QuotedPrefix(list, pcr.bank, pcr.digest);
  }
  EXPECT_TRUE(end) << "no beginning of the list fits the quote";
  capture.evidence.ima_first = first;
  capture.evidence.ima_list = {
      list.begin() + static_cast<std::ptrdiff_t>(EntryOffsets(list)[first]),
      list.begin() + static_cast<std::ptrdiff_t>(end.value_or(0))};
  return capture;
}

// A policy that allows what is in a list, and nothing else.
inline Policy PolicyOf(ByteView list) {
  Policy policy;
  policy.ima.required = true;
  // Some guests have a few.
  policy.ima.violations = Judge::kTell;
  ImaListReader reader;
  reader.Add(list);
  while (true) {
    const auto entry = reader.Next();
    if (!entry.ok() || !entry->has_value()) return policy;
    const ImaFields fields = ParseImaFields(**entry).value();
    policy.ima.files[std::string(fields.path)].push_back(
        {std::string(fields.hash), Bytes(fields.digest.begin(), fields.digest.end())});
  }
}

}  // namespace seaworthy::verify
