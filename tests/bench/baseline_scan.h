// A comparison of a Docker installation with its baseline, beside sha256sum over the same files.
#pragma once

#include <string>
#include <vector>

#include "support/temp_root.h"

namespace seaworthy::bench {

class BaselineScan {
 public:
  // Makes an installation as large as Debian 12's, with a dpkg database, and its baseline.
  explicit BaselineScan(std::string ctl);

  // The whole program: the signature, finding the files, and all that is kept of each.
  void Compare() const;
  void Sha256sum() const;

 private:
  void Put(const std::string& path, std::size_t size, bool executable) const;
  void MakeDpkgDatabase() const;
  void Record();

  const std::string ctl_;
  testing::TempRoot root_;
  std::vector<std::string> sha256sum_{"sha256sum", "--"};
};

}  // namespace seaworthy::bench
