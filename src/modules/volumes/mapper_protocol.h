// What the daemon asks of seaworthy-mapper: a packet, with the descriptor of the header's copy, and
// a packet back. Neither side believes the other; both are parsed as foreign.
#pragma once

#include <string>

#include "seaworthy/bytes.h"
#include "seaworthy/modules/volumes/activation.h"

namespace seaworthy::volumes {

inline constexpr std::size_t kMaxMapperPacket = std::size_t{8} << 10;

enum class MapperOperation : std::uint8_t { kOpen = 1, kClose = 2 };

struct MapperRequest {
  MapperOperation operation = MapperOperation::kOpen;
  std::string name;  // CheckMappingName
  // To open.
  std::string device;
  ActivationOptions options;
  SecretBytes volume_key;
  // To close.
  bool deferred = false;
};

// INVALID_ARGUMENT: MAPPER_REQUEST_MALFORMED, MAPPING_NAME_INVALID, DEVICE_PATH_INVALID (not below
// /dev), VOLUME_KEY_SIZE.
Result<MapperRequest> ParseMapperRequest(ByteView packet);
// As a secret, for the key in it. Refuses what would not be parsed.
Result<SecretBytes> ToPacket(const MapperRequest& request);

struct MapperAnswer {
  Code code = Code::kOk;
  std::string reason;   // empty when it is done
  std::string message;  // one line
};

// INTERNAL (MAPPER_ANSWER_MALFORMED).
Result<MapperAnswer> ParseMapperAnswer(ByteView packet);
// What is too long is cut.
Bytes ToPacket(const MapperAnswer& answer);

}  // namespace seaworthy::volumes
