// The time of day in the forms that are written and sent.
#pragma once

#include <string>

namespace seaworthy::docker {

std::string UtcNow();     // "2026-11-29T10:15:00Z"
std::string UtcDigits();  // "20261129T101500.123456Z"
std::string EventTime();  // "1796033700.000000000", as the engine's events are asked for

}  // namespace seaworthy::docker
