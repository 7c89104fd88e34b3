// Foreign text and GUIDs as printable UTF-8 on one line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

// Control characters, those that turn the direction of text, and what is not UTF-8 are escaped.
std::string PrintableUtf8(ByteView text);
// Little-endian; ends before the first NUL.
std::string PrintableUtf16(ByteView text);

// The same text in UTF-8, unescaped, up to the first NUL; nullopt when it is not UTF-16.
std::optional<Bytes> Utf16ToUtf8(ByteView text);

// ASCII as UTF-16 with a NUL.
Bytes Utf16WithNul(std::string_view text);

// `text` without the NULs at its end.
ByteView WithoutNuls(ByteView text);

// "8be4df61-93ca-11d2-aa0d-00e098032b8c" of 16 bytes as they lie in memory.
std::string GuidText(ByteView guid);
// In upper case, as device path text has it.
std::string UpperGuidText(ByteView guid);

// "0x1f".
std::string HexNumber(std::uint64_t number);

}  // namespace seaworthy::verify
