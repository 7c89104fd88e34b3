#include "support/own_memory.h"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

namespace seaworthy::testing {
namespace {

// A sanitizer's shadow is larger by far, and holds no data.
constexpr std::uintptr_t kLargestRegion = std::uintptr_t{256} << 20;

struct Region {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

// The region that a line of maps or smaps begins, writable ones alone.
bool ParseRegion(const std::string& line, Region& region) {
  char mode[5] = {};
  return std::sscanf(line.c_str(), "%lx-%lx %4s", &region.begin, &region.end, mode) == 3 &&
         mode[0] == 'r' && mode[1] == 'w';
}

// What a sanitizer keeps apart is looked at as well, and what threads are writing: the file is
// compiled without sanitizers.
std::size_t CopiesIn(const Region& region, const std::uint8_t* inverted, std::size_t size) {
  std::size_t copies = 0;
  const auto* const end = reinterpret_cast<const std::uint8_t*>(region.end) - size;
  for (const auto* at = reinterpret_cast<const std::uint8_t*>(region.begin); at <= end; ++at) {
    std::size_t same = 0;
    while (same < size && (at[same] ^ inverted[same]) == 0xff) ++same;
    if (same == size) ++copies;
  }
  return copies;
}

}  // namespace

std::size_t CopiesInMemory(ByteView inverted) {
  std::vector<Region> regions;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Region region;
    if (ParseRegion(line, region) && region.end - region.begin <= kLargestRegion) {
      regions.push_back(region);
    }
  }
  std::size_t copies = 0;
  for (const Region& region : regions) {
    copies += CopiesIn(region, inverted.data(), inverted.size());
  }
  return copies;
}

std::string MemoryFlags(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  std::ifstream maps("/proc/self/smaps");
  for (std::string line; std::getline(maps, line);) {
    Region region;
    if (ParseRegion(line, region)) inside = region.begin <= wanted && wanted < region.end;
    if (inside && line.starts_with("VmFlags:")) return line.substr(sizeof("VmFlags:") - 1) + " ";
  }
  return {};
}

}  // namespace seaworthy::testing
