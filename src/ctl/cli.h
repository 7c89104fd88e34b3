// seaworthyctl from its arguments to its exit code.
#pragma once

#include <string>
#include <vector>

#include "ctl/terminal.h"

namespace seaworthy::ctl {

// `arguments` without the program's name.
int Run(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace seaworthy::ctl
