// The daemon's log: structured fields to the journal when standard error is connected to it,
// else one line each on standard error. Thread-safe. Never given a secret.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seaworthy {

// syslog priorities.
enum class Level { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6, kDebug = 7 };

// Field names as the journal wants them: A-Z, 0-9 and '_', for example {"SEAWORTHY_METHOD", "..."}.
using LogFields = std::vector<std::pair<std::string, std::string>>;

void Log(Level level, std::string_view message, const LogFields& fields = {});

// To the journal whatever the log level, for the audit trail; false when standard error is not
// connected to it, and then nothing is written.
bool LogToJournal(Level level, std::string_view message, const LogFields& fields);

// What the log calls this process; "seaworthyd" at the start. `name` outlives it.
void SetLogName(const char* name);

// Messages less urgent than this are dropped; kInfo at the start.
void SetLogLevel(Level level);

}  // namespace seaworthy
