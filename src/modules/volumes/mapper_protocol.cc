#include "modules/volumes/mapper_protocol.h"

#include <algorithm>
#include <array>

#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/volumes/mapping.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxDevice = 1024;
constexpr std::size_t kMaxReason = 64;
constexpr std::size_t kMaxMessage = 4096;
constexpr auto kLastCode = static_cast<std::uint8_t>(Code::kUnauthenticated);

// A request: version, operation, flags, size of the name, of the device (two bytes, the high one
// first), of the volume key; then these three. An answer: version, code, size of the reason, of the
// message (two bytes); then these two.
constexpr std::size_t kRequestHead = 7;
constexpr std::size_t kAnswerHead = 5;

constexpr std::uint8_t kDeferred = 1;
struct Flag {
  std::uint8_t bit;
  bool ActivationOptions::* option;
};
constexpr std::array<Flag, 4> kOpenFlags = {{
    {1, &ActivationOptions::read_only},
    {2, &ActivationOptions::allow_discards},
    {4, &ActivationOptions::no_read_workqueue},
    {8, &ActivationOptions::no_write_workqueue},
}};

Status Malformed(std::string_view what) {
  return Fail(Code::kInvalidArgument, "MAPPER_REQUEST_MALFORMED",
              "the request to the mapper " + std::string(what));
}

Status MalformedAnswer(std::string_view what) {
  return Fail(Code::kInternal, "MAPPER_ANSWER_MALFORMED",
              "the mapper's answer " + std::string(what));
}

std::size_t TwoBytes(ByteView packet, std::size_t at) {
  return static_cast<std::size_t>(packet[at]) << 8 | packet[at + 1];
}

Status Check(const MapperRequest& request) {
  RETURN_IF_ERROR(CheckMappingName(request.name));
  if (request.operation == MapperOperation::kClose) {
    if (request.device.empty() && request.volume_key.empty()) return {};
    return Malformed("to close names a device or has a key");
  }
  if (request.device.size() > kMaxDevice || !request.device.starts_with("/dev/") ||
      request.device.find('\0') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "DEVICE_PATH_INVALID",
                "device: " + Quoted(request.device) + " is not below /dev, or too long");
  }
  if (request.volume_key.size() != kVolumeKeyBytes) {
    return Fail(Code::kInvalidArgument, "VOLUME_KEY_SIZE",
                "volume_key: has not " + std::to_string(kVolumeKeyBytes) + " bytes");
  }
  return {};
}

Status ReadFlags(std::uint8_t flags, MapperRequest& request) {
  if (request.operation == MapperOperation::kClose) {
    request.deferred = (flags & kDeferred) != 0;
    return (flags & ~kDeferred) == 0 ? Status() : Malformed("has flags that are not known");
  }
  for (const auto& [bit, option] : kOpenFlags) {
    request.options.*option = (flags & bit) != 0;
    flags = static_cast<std::uint8_t>(flags & ~bit);
  }
  return flags == 0 ? Status() : Malformed("has flags that are not known");
}

std::uint8_t FlagsOf(const MapperRequest& request) {
  if (request.operation == MapperOperation::kClose) return request.deferred ? kDeferred : 0;
  unsigned flags = 0;
  for (const auto& [bit, option] : kOpenFlags) flags |= request.options.*option ? bit : 0U;
  return static_cast<std::uint8_t>(flags);
}

bool IsReason(std::string_view text) {
  return !text.empty() && text.size() <= kMaxReason && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

Status CheckMappingName(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool good =
      !name.empty() && name.size() <= kMaxName && plain(name.front()) && name != "control" &&
      std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-' || c == '_'; });
  if (good) return {};
  return Fail(Code::kInvalidArgument, "MAPPING_NAME_INVALID",
              "name: " + Quoted(name) +
                  " is not 1 to 64 of a-z, 0-9, '-' and '_', a letter or digit first");
}

Result<MapperRequest> ParseMapperRequest(ByteView packet) {
  if (packet.size() < kRequestHead || packet.size() > kMaxMapperPacket) {
    return Malformed("has not the size of one");
  }
  if (packet[0] != kVersion) return Malformed("has another version than 1");
  MapperRequest request;
  request.operation = static_cast<MapperOperation>(packet[1]);
  if (request.operation != MapperOperation::kOpen && request.operation != MapperOperation::kClose) {
    return Malformed("asks for what is not known");
  }
  RETURN_IF_ERROR(ReadFlags(packet[2], request));
  const std::size_t name = packet[3], device = TwoBytes(packet, 4), key = packet[6];
  if (packet.size() != kRequestHead + name + device + key) {
    return Malformed("has not the size that it says");
  }
  request.name = AsText(packet.subspan(kRequestHead, name));
  request.device = AsText(packet.subspan(kRequestHead + name, device));
  request.volume_key = SecretBytes::Copy(packet.last(key));
  RETURN_IF_ERROR(Check(request));
  return request;
}

Result<SecretBytes> ToPacket(const MapperRequest& request) {
  RETURN_IF_ERROR(Check(request));
  const std::size_t device = request.device.size();
  const std::array<std::uint8_t, kRequestHead> head = {
      kVersion,
      static_cast<std::uint8_t>(request.operation),
      FlagsOf(request),
      static_cast<std::uint8_t>(request.name.size()),
      static_cast<std::uint8_t>(device >> 8),
      static_cast<std::uint8_t>(device & 0xff),
      static_cast<std::uint8_t>(request.volume_key.size())};
  SecretBytes packet(head.size() + request.name.size() + device + request.volume_key.size());
  std::uint8_t* at = packet.data();
  for (const ByteView part : {ByteView(head), AsBytes(request.name), AsBytes(request.device),
                              request.volume_key.view()}) {
    at = std::ranges::copy(part, at).out;
  }
  return packet;
}

Result<MapperAnswer> ParseMapperAnswer(ByteView packet) {
  if (packet.size() < kAnswerHead || packet.size() > kMaxMapperPacket || packet[0] != kVersion) {
    return MalformedAnswer("has not the size of one, or another version than 1");
  }
  const std::size_t reason = packet[2], message = TwoBytes(packet, 3);
  if (packet.size() != kAnswerHead + reason + message || packet[1] > kLastCode ||
      message > kMaxMessage) {
    return MalformedAnswer("has not the size that it says, or an unknown code");
  }
  MapperAnswer answer;
  answer.code = static_cast<Code>(packet[1]);
  answer.reason = AsText(packet.subspan(kAnswerHead, reason));
  answer.message = AsText(packet.last(message));
  std::ranges::replace_if(answer.message, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  if (answer.code == Code::kOk ? reason + message != 0 : !IsReason(answer.reason)) {
    return MalformedAnswer("has a reason that is none");
  }
  return answer;
}

Bytes ToPacket(const MapperAnswer& answer) {
  const std::size_t reason = std::min(answer.reason.size(), kMaxReason);
  const std::size_t message = std::min(answer.message.size(), kMaxMessage);
  Bytes packet = {kVersion, static_cast<std::uint8_t>(answer.code),
                  static_cast<std::uint8_t>(reason), static_cast<std::uint8_t>(message >> 8),
                  static_cast<std::uint8_t>(message & 0xff)};
  packet.insert(packet.end(), answer.reason.begin(),
                answer.reason.begin() + static_cast<std::ptrdiff_t>(reason));
  packet.insert(packet.end(), answer.message.begin(),
                answer.message.begin() + static_cast<std::ptrdiff_t>(message));
  return packet;
}

}  // namespace seaworthy::volumes
