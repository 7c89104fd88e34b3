#include "support/temp_root.h"

#include <cstdlib>

namespace seaworthy::testing {

TempRoot::TempRoot() {
  // Short: Unix socket paths inside must fit 108 bytes.
  std::string pattern = "/tmp/seaworthy-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TempRoot::~TempRoot() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace seaworthy::testing
