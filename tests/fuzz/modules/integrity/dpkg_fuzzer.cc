// dpkg's status, as whoever is root on the node may have edited it. No package's name leads out of
// the folder that its lists are in.
#include <cstdlib>

#include "modules/integrity/dpkg.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace integrity = seaworthy::integrity;
  const auto text = seaworthy::AsText({data, size});
  for (const integrity::DpkgPackage& package : integrity::ParseDpkgStatus(text)) {
    if (package.name.empty() || package.info.find('/') != std::string::npos) std::abort();
  }
  return 0;
}
