// Shell completion, made from the command line's own description so that it cannot be behind it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace seaworthy::ctl {

// A script for bash's completion; names of keys are asked from the daemon while typing.
std::string BashCompletion(const CLI::App& app);

// The same for zsh, which can run bash's.
std::string ZshCompletion(const CLI::App& app);

}  // namespace seaworthy::ctl
