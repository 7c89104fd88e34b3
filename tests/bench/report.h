// The table at the end, and build/bench.json.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace seaworthy::bench {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  std::optional<double> aim;  // nothing for floors and rivals
  bool at_least = false;      // the aim is to have so much, not to stay below it

  std::optional<bool> Met() const;
};

// Not a number when there are none.
double Median(std::vector<double> values);

// What a filter has left out.
void LeaveOutUnmeasured(std::vector<Figure>& figures);
void PrintTable(const std::vector<Figure>& figures);
// [{"name", "value", "unit", "aim", "met"}]; aim and met are null for floors and rivals.
void WriteJson(const std::vector<Figure>& figures, const std::string& path);

}  // namespace seaworthy::bench
