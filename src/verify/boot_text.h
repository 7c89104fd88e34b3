// What boot loaders write into events: strings, and data with a tag before it.
#pragma once

#include <optional>
#include <string>

#include "seaworthy/boot_log.h"

namespace seaworthy::verify {

EventText ParseEventText(const BootEvent& event);
std::string EventTextSentence(const BootEvent& event, const EventText& text);

// PC Client tagged event: id, size, data; nullopt when the size is not that of the rest.
std::optional<TaggedEvent> ParseTaggedEvent(ByteView data);

inline constexpr std::uint32_t kLinuxInitrdTag = 0x8f3b22ec;
inline constexpr std::uint32_t kLinuxLoadOptionsTag = 0x8f3b22ed;

// The data after the prefix that GRUB puts before what it hashes; empty when there is none.
ByteView AfterGrubPrefix(ByteView data);

}  // namespace seaworthy::verify
