// The IMA list followed: one that is long already, beside one that is empty.
#pragma once

#include <string>

#include "modules/integrity/ima_collector.h"
#include "support/temp_root.h"

namespace seaworthy::bench {

class Following {
 public:
  Following();

  static constexpr int kEntries = 1'000'000;
  static constexpr int kNew = 100;

  // As many new entries come to each list and are read there, not in the time of the others.
  struct Cost {
    double long_ms = 0;
    double short_ms = 0;
  };
  Cost FollowOn();

 private:
  static double ReadOn(integrity::ImaCollector& collector, const std::string& list);

  const testing::TempRoot root_;
  const std::string long_list_ = root_ / "long";
  const std::string short_list_ = root_ / "short";
  integrity::ImaCollector long_, short_;
};

}  // namespace seaworthy::bench
