#include "seaworthy/modules/volumes/recovery_key.h"

#include <string>

namespace seaworthy::volumes {
namespace {

constexpr std::string_view kLetters = "cbdefghijklnrtuv";
constexpr std::size_t kGroup = 8;
constexpr std::size_t kCount = 2 * kRecoveryKeyBytes;
constexpr std::size_t kTextSize = kCount + kCount / kGroup - 1;
constexpr std::size_t kMaxTyped = 256;

Status Malformed(const std::string& what) {
  return Fail(Code::kInvalidArgument, "RECOVERY_KEY_MALFORMED", "the recovery key " + what);
}

// Where the letter with this number is in the text.
std::size_t Place(std::size_t letter) { return letter + letter / kGroup; }

SecretBytes Dashes() {
  SecretBytes text(kTextSize);
  for (std::size_t group = 1; group < kCount / kGroup; ++group) {
    text.data()[Place(group * kGroup) - 1] = '-';
  }
  return text;
}

}  // namespace

Result<SecretBytes> MakeRecoveryKey(const SecretBytes& random) {
  if (random.size() != kRecoveryKeyBytes) {
    return Fail(Code::kInvalidArgument, "RECOVERY_KEY_SIZE",
                "a recovery key is made of 32 bytes, not of " + std::to_string(random.size()));
  }
  SecretBytes text = Dashes();
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::uint8_t byte = random.data()[i / 2];
    text.data()[Place(i)] =
        static_cast<std::uint8_t>(kLetters[i % 2 == 0 ? byte >> 4 : byte & 0xf]);
  }
  return text;
}

Result<SecretBytes> ParseRecoveryKey(const SecretBytes& typed) {
  if (typed.size() > kMaxTyped) return Malformed("has more than 256 characters");
  SecretBytes text = Dashes();
  std::size_t letters = 0;
  for (std::size_t i = 0; i < typed.size(); ++i) {
    auto letter = static_cast<char>(typed.data()[i]);
    if (letter == '-' || letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n') {
      continue;
    }
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    if (kLetters.find(letter) == std::string_view::npos) {
      return Malformed("has at character " + std::to_string(i + 1) +
                       " what is not one of its letters, " + std::string(kLetters));
    }
    if (letters == kCount) return Malformed("has more than 64 letters");
    text.data()[Place(letters++)] = static_cast<std::uint8_t>(letter);
  }
  if (letters != kCount) {
    return Malformed("has " + std::to_string(letters) + " letters instead of 64");
  }
  return text;
}

}  // namespace seaworthy::volumes
