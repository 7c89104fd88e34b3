#include "bench/following.h"

#include <tss2/tss2_tpm2_types.h>

#include <chrono>
#include <fstream>

#include "bench/process.h"
#include "support/ima_entry.h"

namespace seaworthy::bench {
namespace {

integrity::ImaCollector OpenList(const std::string& path) {
  std::ofstream(path, std::ios::binary).flush();
  Result<integrity::ImaCollector> collector = integrity::ImaCollector::Open(path, TPM2_ALG_SHA256);
  if (!collector.ok()) Give(Message(collector.status()));
  return *std::move(collector);
}

void Append(const std::string& path, int entries) {
  std::ofstream list(path, std::ios::app | std::ios::binary);
  for (int i = 0; i < entries; ++i) {
    const Bytes entry = testing::MakeImaNgEntry(
        "/usr/lib/x86_64-linux-gnu/libcomponent-" + std::to_string(i) + ".so", Bytes(32, 1));
    list << AsText(entry);
  }
  if (!list.flush()) Give("writing the IMA list");
}

}  // namespace

Following::Following() : long_(OpenList(long_list_)), short_(OpenList(short_list_)) {
  Append(long_list_, kEntries);
  ReadOn(long_, long_list_);
  if (long_.entries() != kEntries) Give("the IMA list was not read to its end");
}

double Following::ReadOn(integrity::ImaCollector& collector, const std::string& list) {
  const auto begin = std::chrono::steady_clock::now();
  const Result<bool> read =
      collector.ReadOn(Bytes(32, 1), DeadlineIn(std::chrono::minutes(5)), [](const auto&) {});
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  if (!read.ok()) Give(list + ": " + Message(read.status()));
  return time.count();
}

Following::Cost Following::FollowOn() {
  Append(long_list_, kNew);
  Append(short_list_, kNew);
  Cost cost;
  cost.long_ms = ReadOn(long_, long_list_);
  cost.short_ms = ReadOn(short_, short_list_);
  return cost;
}

}  // namespace seaworthy::bench
