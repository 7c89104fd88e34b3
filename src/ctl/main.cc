#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

#include "ctl/cli.h"
#include "ctl/outcome.h"

namespace {

// https://no-color.org: set and not empty means no.
bool ColourWanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0') &&
         term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC's own log would mix with our messages; it can be asked for.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  // A reader that went away shows as a failed write.
  std::signal(SIGPIPE, SIG_IGN);
  seaworthy::ctl::Terminal terminal{std::cin,       std::cout,
                                    std::cerr,      isatty(STDIN_FILENO) == 1,
                                    ColourWanted(), isatty(STDERR_FILENO) == 1};
  try {
    return seaworthy::ctl::Run({argv + 1, argv + argc}, terminal);
  } catch (const std::exception& error) {
    std::cerr << "seaworthyctl: " << error.what() << "\n";
    return static_cast<int>(seaworthy::ctl::ExitCode::kFailed);
  }
}
