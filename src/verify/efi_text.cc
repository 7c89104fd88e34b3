#include "verify/efi_text.h"

#include <algorithm>
#include <charconv>

namespace seaworthy::verify {
namespace {

constexpr char32_t kInvalid = 0xffffffff;

bool IsPrintable(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
  // Line and paragraph separators and what reorders text (Unicode, bidirectional algorithm).
  return !(c >= 0x200e && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
         !(c >= 0x2066 && c <= 0x2069);
}

void AppendUtf8(char32_t c, std::string& text) {
  const auto byte = [&](char32_t value) { text += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | c >> 6);
    byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3f));
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  }
}

void AppendPrintable(char32_t c, std::string& text) {
  if (IsPrintable(c)) {
    AppendUtf8(c, text);
  } else if (c < 0x100) {
    const std::uint8_t byte = static_cast<std::uint8_t>(c);
    text += "\\x" + Hex({&byte, 1});
  } else {
    text += "\\u{" + HexNumber(c).substr(2) + "}";
  }
}

// Takes one character off; kInvalid, and one byte, for what is not the shortest UTF-8 of one.
char32_t TakeUtf8(ByteView& text) {
  const std::uint8_t first = text[0];
  const std::size_t size = first < 0x80             ? 1
                           : (first & 0xe0) == 0xc0 ? 2
                           : (first & 0xf0) == 0xe0 ? 3
                           : (first & 0xf8) == 0xf0 ? 4
                                                    : 0;
  static constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  char32_t c = size == 1 ? first : first & (0x7f >> size);
  bool valid = size != 0 && size <= text.size();
  for (std::size_t i = 1; valid && i < size; ++i) {
    valid = (text[i] & 0xc0) == 0x80;
    c = c << 6 | (text[i] & 0x3fU);
  }
  valid = valid && c >= kSmallest[size] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
  text = text.subspan(valid ? size : 1);
  return valid ? c : kInvalid;
}

// Takes one character off; a surrogate that has no other half is given as it is.
char32_t TakeUtf16(ByteView& text) {
  const auto unit = [&](std::size_t at) {
    return static_cast<char32_t>(text[at] | text[at + 1] << 8);
  };
  const char32_t first = unit(0);
  if (first >= 0xd800 && first < 0xdc00 && text.size() >= 4) {
    if (const char32_t second = unit(2); second >= 0xdc00 && second < 0xe000) {
      text = text.subspan(4);
      return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    }
  }
  text = text.subspan(2);
  return first;
}

}  // namespace

std::string PrintableUtf8(ByteView text) {
  std::string printable;
  while (!text.empty()) {
    const std::uint8_t first = text[0];
    const char32_t c = TakeUtf8(text);
    if (c == kInvalid) {
      printable += "\\x" + Hex({&first, 1});
    } else {
      AppendPrintable(c, printable);
    }
  }
  return printable;
}

std::string PrintableUtf16(ByteView text) {
  std::string printable;
  while (text.size() >= 2) {
    const char32_t c = TakeUtf16(text);
    if (c == 0) break;
    if (c >= 0xd800 && c <= 0xdfff) {
      printable += "\\u{" + HexNumber(c).substr(2) + "}";
    } else {
      AppendPrintable(c, printable);
    }
  }
  return printable;
}

std::optional<Bytes> Utf16ToUtf8(ByteView text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string utf8;
  while (!text.empty()) {
    const char32_t c = TakeUtf16(text);
    if (c == 0) break;
    if (c >= 0xd800 && c <= 0xdfff) return std::nullopt;
    AppendUtf8(c, utf8);
  }
  return Bytes(utf8.begin(), utf8.end());
}

Bytes Utf16WithNul(std::string_view text) {
  Bytes bytes;
  for (const char c : text) bytes.insert(bytes.end(), {static_cast<std::uint8_t>(c), 0});
  bytes.insert(bytes.end(), {0, 0});
  return bytes;
}

ByteView WithoutNuls(ByteView text) {
  while (!text.empty() && text.back() == 0) text = text.first(text.size() - 1);
  return text;
}

std::string GuidText(ByteView guid) {
  if (guid.size() != 16) return {};
  const Bytes data1(guid.rend() - 4, guid.rend());
  const Bytes data2(guid.rend() - 6, guid.rend() - 4);
  const Bytes data3(guid.rend() - 8, guid.rend() - 6);
  return Hex(data1) + "-" + Hex(data2) + "-" + Hex(data3) + "-" + Hex(guid.subspan(8, 2)) + "-" +
         Hex(guid.subspan(10));
}

std::string UpperGuidText(ByteView guid) {
  std::string text = GuidText(guid);
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

std::string HexNumber(std::uint64_t number) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace seaworthy::verify
