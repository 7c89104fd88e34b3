#include "seaworthy/base64.h"

#include "seaworthy/status_macros.h"

namespace seaworthy {
namespace {

struct Alphabet {
  char at_62;
  char at_63;
  bool padded;
};
constexpr Alphabet kStandard = {'+', '/', true};
constexpr Alphabet kUrl = {'-', '_', false};

std::uint8_t Letter(std::uint32_t value, const Alphabet& alphabet) {
  const auto of = [](std::uint32_t first, int letter) {
    return static_cast<std::uint8_t>(first + static_cast<std::uint32_t>(letter));
  };
  if (value < 26) return of(value, 'A');
  if (value < 52) return of(value - 26, 'a');
  if (value < 62) return of(value - 52, '0');
  return static_cast<std::uint8_t>(value == 62 ? alphabet.at_62 : alphabet.at_63);
}

// -1 for what is no letter.
int Value(std::uint8_t letter, const Alphabet& alphabet) {
  if (letter >= 'A' && letter <= 'Z') return letter - 'A';
  if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26;
  if (letter >= '0' && letter <= '9') return letter - '0' + 52;
  if (letter == static_cast<std::uint8_t>(alphabet.at_62)) return 62;
  if (letter == static_cast<std::uint8_t>(alphabet.at_63)) return 63;
  return -1;
}

std::size_t EncodedSize(std::size_t bytes, const Alphabet& alphabet) {
  return alphabet.padded ? (bytes + 2) / 3 * 4 : (bytes * 4 + 2) / 3;
}

// `text` has EncodedSize bytes.
void Encode(ByteView bytes, const Alphabet& alphabet, std::uint8_t* text) {
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t written = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (held += 8; held >= 6; held -= 6) {
      text[written++] = Letter(bits >> (held - 6) & 0x3f, alphabet);
    }
  }
  if (held > 0) text[written++] = Letter(bits << (6 - held) & 0x3f, alphabet);
  while (written < EncodedSize(bytes.size(), alphabet)) text[written++] = '=';
}

Status Invalid(const std::string& what) {
  return Fail(Code::kInvalidArgument, "INVALID_BASE64", what);
}

// The letters alone, without the padding, which is checked.
Result<ByteView> Unpadded(ByteView text, const Alphabet& alphabet) {
  if (!alphabet.padded) return text;
  if (text.size() % 4 != 0) return Invalid("the length is not a multiple of 4");
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return text.first(text.size() - padding);
}

// `Out` is made with the size.
template <class Out>
Result<Out> Decode(ByteView padded, const Alphabet& alphabet) {
  ASSIGN_OR_RETURN(const ByteView text, Unpadded(padded, alphabet));
  if (text.size() % 4 == 1) return Invalid("the last letter is half a byte");
  Out bytes(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t written = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = Value(text[i], alphabet);
    if (value < 0) return Invalid("not a letter of it at character " + std::to_string(i + 1));
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.data()[written++] = static_cast<std::uint8_t>(bits >> held & 0xff);
    }
  }
  if ((bits & ((1U << held) - 1)) != 0) return Invalid("bits are left over");
  return bytes;
}

std::string ToText(ByteView bytes, const Alphabet& alphabet) {
  std::string text(EncodedSize(bytes.size(), alphabet), '\0');
  Encode(bytes, alphabet, reinterpret_cast<std::uint8_t*>(text.data()));
  return text;
}

}  // namespace

std::string Base64(ByteView bytes) { return ToText(bytes, kStandard); }

std::string Base64Url(ByteView bytes) { return ToText(bytes, kUrl); }

SecretBytes Base64Secret(ByteView bytes) {
  SecretBytes text(EncodedSize(bytes.size(), kStandard));
  Encode(bytes, kStandard, text.data());
  return text;
}

Result<Bytes> ParseBase64(std::string_view text) { return Decode<Bytes>(AsBytes(text), kStandard); }

Result<Bytes> ParseBase64Url(std::string_view text) { return Decode<Bytes>(AsBytes(text), kUrl); }

Result<SecretBytes> ParseBase64UrlSecret(ByteView text) { return Decode<SecretBytes>(text, kUrl); }

}  // namespace seaworthy
