// What the privileged mapper is asked, by a daemon that was taken over, and what it answers, read
// by the daemon. What is read is written as the same bytes.
#include "modules/volumes/mapper_protocol.h"

#include <algorithm>
#include <cstdlib>

#include "seaworthy/modules/volumes/mapping.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace volumes = seaworthy::volumes;
  const seaworthy::ByteView packet(data, size);
  const auto request = volumes::ParseMapperRequest(packet);
  if (request.ok()) {
    if (!volumes::CheckMappingName(request->name).ok()) std::abort();
    const auto again = ToPacket(*request);
    if (!again.ok() || !std::ranges::equal(again->view(), packet)) std::abort();
  }
  const auto answer = volumes::ParseMapperAnswer(packet);
  if (answer.ok()) {
    const auto again = volumes::ParseMapperAnswer(ToPacket(*answer));
    if (!again.ok() || again->code != answer->code || again->reason != answer->reason ||
        again->message != answer->message) {
      std::abort();
    }
  }
  return 0;
}
