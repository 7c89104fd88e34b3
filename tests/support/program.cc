#include "support/program.h"

#include <cstdio>

namespace seaworthy::testing {

ProgramOutput OutputOf(const std::string& command) {
  ProgramOutput output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    output.text.append(buffer, got);
  }
  output.status = pclose(pipe);
  return output;
}

}  // namespace seaworthy::testing
