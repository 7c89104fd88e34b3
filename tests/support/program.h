// Programs of others, for what they say.
#pragma once

#include <string>

namespace seaworthy::testing {

struct ProgramOutput {
  int status = -1;  // as waitpid gives it
  std::string text;
};

// What a command line of the shell writes to standard output.
ProgramOutput OutputOf(const std::string& command);

}  // namespace seaworthy::testing
