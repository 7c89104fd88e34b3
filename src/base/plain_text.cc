#include "seaworthy/plain_text.h"

#include "seaworthy/bytes.h"

namespace seaworthy {

std::string ToPlainText(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte > 0x1f && byte < 0x7f && c != '%') {
      text += c;
    } else {
      text += '%' + Hex({&byte, 1});
    }
  }
  return text;
}

std::string FromPlainText(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const Result<Bytes> byte =
        text[i] == '%' ? ParseHex(text.substr(i + 1, 2)) : Result<Bytes>(Bytes());
    if (byte.ok() && byte->size() == 1) {
      name += static_cast<char>(byte->front());
      i += 2;
    } else {
      name += text[i];
    }
  }
  return name;
}

}  // namespace seaworthy
