// What changed between two events, in words.
#pragma once

#include <string>
#include <string_view>

#include "verify/measured_event.h"

namespace seaworthy::verify {

// Equal for two events that are about the same thing: a variable, an image's path, a section.
std::string EventIdentity(const MeasuredEvent& event);

// `before`, `after`: nullptr where the event is not there. `code` as PcrDifference has it.
std::string DifferenceSentence(std::string_view code, const MeasuredEvent* before,
                               const MeasuredEvent* after);

// Cut at 300 bytes, between characters.
std::string Shortened(std::string text);

}  // namespace seaworthy::verify
