// Where a command reads and writes.
#pragma once

#include <istream>
#include <ostream>

namespace seaworthy::ctl {

struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool interactive = false;  // a person can answer a question
  bool colour = false;
  bool progress = false;  // standard error is seen by a person
};

}  // namespace seaworthy::ctl
