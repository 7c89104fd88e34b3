// What an image says of how it was made: its history and its environment.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace seaworthy::docker {

struct Instruction {
  std::string word;  // "RUN", "ADD", "COPY", ...; empty where the history does not say
  std::string rest;  // a RUN's: its build arguments and what the shell was given
};

// "CreatedBy" of an entry, as the older builder ("/bin/sh -c #(nop) ADD file:... in /") and
// BuildKit
// ("RUN /bin/sh -c ... # buildkit") write it.
Instruction ParseInstruction(std::string_view created_by);

// Of GET /images/NAME/history: the oldest first.
std::vector<Instruction> Instructions(const nlohmann::json& history);

// A list of packages is fetched, and nothing installed from it: later instructions take it from the
// cache, old as it is.
bool IsLoneUpdate(const Instruction& instruction);

// The names in "NAME=value" among words that are those of secrets and have a value written out.
// Never the values.
std::vector<std::string> SecretNames(std::string_view words);

}  // namespace seaworthy::docker
