#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "bench/process.h"
#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"

namespace seaworthy::bench {

double Median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::optional<bool> Figure::Met() const {
  if (!aim) return std::nullopt;
  return at_least ? value >= *aim : value <= *aim;
}

void LeaveOutUnmeasured(std::vector<Figure>& figures) {
  std::erase_if(figures, [](const Figure& figure) { return std::isnan(figure.value); });
}

void PrintTable(const std::vector<Figure>& figures) {
  std::printf("\n%-30s %14s  %-6s %10s  %s\n", "name", "value", "unit", "aim", "met");
  for (const Figure& figure : figures) {
    if (figure.aim) {
      std::printf("%-30s %14.3f  %-6s %10.3g  %s\n", figure.name.c_str(), figure.value,
                  figure.unit.c_str(), *figure.aim, *figure.Met() ? "yes" : "NO");
    } else {
      std::printf("%-30s %14.3f  %-6s\n", figure.name.c_str(), figure.value, figure.unit.c_str());
    }
  }
}

void WriteJson(const std::vector<Figure>& figures, const std::string& path) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Figure& figure : figures) {
    nlohmann::ordered_json row = {
        {"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}};
    row["aim"] = figure.aim ? nlohmann::ordered_json(*figure.aim) : nullptr;
    row["met"] = figure.aim ? nlohmann::ordered_json(*figure.Met()) : nullptr;
    list.push_back(std::move(row));
  }
  const Status written = ReplaceFile(path, AsBytes(list.dump(2) + "\n"), 0644);
  if (!written.ok()) Give(Message(written));
}

}  // namespace seaworthy::bench
