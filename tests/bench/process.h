// Programs beside the benchmark.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::bench {

// Says why and ends the program.
[[noreturn]] void Give(const std::string& why);

template <class T>
T Must(Result<T> result, const char* what) {
  if (!result.ok()) Give(std::string(what) + ": " + Message(result.status()));
  return *std::move(result);
}

// Starts argv[0] (looked up in PATH) with the variables ("NAME=value") added to the environment
// and its output in the file `log`. It dies with this program.
pid_t Start(const std::vector<std::string>& argv, const std::vector<std::string>& variables,
            const std::string& log);

// Starts it and waits; gives up when it fails. The seconds of CPU time that it took.
double Run(const std::vector<std::string>& argv, const std::vector<std::string>& variables,
           const std::string& log);

}  // namespace seaworthy::bench
