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
  std::optional<double> aim;  // at most; nothing for floors and rivals
};

double Median(std::vector<double> values);

void PrintTable(const std::vector<Figure>& figures);
// [{"name", "value", "unit", "aim", "met"}]; aim and met are null for floors and rivals.
void WriteJson(const std::vector<Figure>& figures, const std::string& path);

}  // namespace seaworthy::bench
