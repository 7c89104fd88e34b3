// The command line, run in this process.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "ctl/cli.h"

namespace seaworthy::ctl {

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

inline Ran RunCtl(std::vector<std::string> arguments, const std::string& input = "",
                  bool interactive = false) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{in, out, err, interactive, false};
  Ran ran;
  ran.exit = Run(std::move(arguments), terminal);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

}  // namespace seaworthy::ctl
