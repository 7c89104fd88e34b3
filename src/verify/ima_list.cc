#include "seaworthy/ima_list.h"

#include <algorithm>

#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kDigestSize = 20;
constexpr std::size_t kMaxTemplateName = 255;
// The kernel measures keys, policies and command lines whole (ima-buf), files never.
constexpr std::size_t kMaxTemplateData = std::size_t{16} << 20;
constexpr std::size_t kMaxImaName = 255;  // IMA_EVENT_NAME_LEN_MAX

}  // namespace

bool ImaEntry::IsViolation() const {
  return std::ranges::all_of(template_digest, [](std::uint8_t byte) { return byte == 0; });
}

void ImaListReader::Add(ByteView chunk) {
  // What was read goes once it is the larger part, so that each byte moves about once.
  if (used_ > buffer_.size() / 2) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
    offset_ += used_;
    used_ = 0;
  }
  buffer_.insert(buffer_.end(), chunk.begin(), chunk.end());
}

Result<std::optional<ImaEntry>> ImaListReader::Next() {
  const auto malformed = [this](const std::string& what) {
    return Fail(Code::kInvalidArgument, "IMA_LIST_MALFORMED",
                "entry " + std::to_string(number_) + " of the IMA list, at byte " +
                    std::to_string(offset_ + used_) + ": " + what);
  };
  ByteView rest = ByteView(buffer_).subspan(used_);
  constexpr std::size_t kHead = 4 + kDigestSize + 4;
  if (rest.size() < kHead) return std::nullopt;
  ImaEntry entry{.number = number_,
                 .pcr = LittleEndian32(rest),
                 .template_digest = rest.subspan(4, kDigestSize),
                 .template_name = {},
                 .template_data = {},
                 .bytes = {}};
  if (entry.pcr > 23) return malformed("PCR " + std::to_string(entry.pcr) + " does not exist");
  const std::size_t name = LittleEndian32(rest.subspan(4 + kDigestSize));
  if (name == 0 || name > kMaxTemplateName) {
    return malformed("the template's name has " + std::to_string(name) + " bytes");
  }
  if (rest.size() < kHead + name) return std::nullopt;
  entry.template_name = AsText(rest.subspan(kHead, name));
  std::size_t size = kHead + name;
  // "ima" is older than the length of the data: a digest, the length of the name, the name.
  const bool old = entry.template_name == "ima";
  const std::size_t before_length = old ? kDigestSize : 0;
  if (rest.size() < size + before_length + 4) return std::nullopt;
  const std::size_t length = LittleEndian32(rest.subspan(size + before_length));
  if (length > (old ? kMaxImaName : kMaxTemplateData)) {
    return malformed("the template's data has " + std::to_string(length) + " bytes");
  }
  const std::size_t data = before_length + (old ? 4 : 0) + length;
  if (!old) size += 4;
  if (rest.size() < size + data) return std::nullopt;
  entry.template_data = rest.subspan(size, data);
  entry.bytes = rest.first(size + data);
  used_ += size + data;
  ++number_;
  return entry;
}

}  // namespace seaworthy::verify
