// Names as they are written in policies and findings. Names are bytes, and a foreigner may have
// chosen them; JSON and terminals want text: bytes that are not printable ASCII, and '%', become
// "%XX".
#pragma once

#include <string>
#include <string_view>

namespace seaworthy {

std::string ToPlainText(std::string_view name);
std::string FromPlainText(std::string_view text);

}  // namespace seaworthy
