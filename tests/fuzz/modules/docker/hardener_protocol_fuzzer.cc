// What the privileged hardener is asked, by a daemon that was taken over, and what it answers, read
// by the daemon. What is read is written and read as the same.
#include "modules/docker/hardener_protocol.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace docker = seaworthy::docker;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto request = docker::ParseHardenerRequest(line);
  if (request.ok()) {
    if (request->profile.find_first_of("/.") != std::string::npos) std::abort();
    const auto written = ToLine(*request);
    if (!written.ok() || written->find('\n') != std::string::npos) std::abort();
    const auto again = docker::ParseHardenerRequest(*written);
    if (!again.ok() || again->call != request->call || again->profile != request->profile ||
        again->consents != request->consents || again->digest != request->digest ||
        again->canary != request->canary || again->transaction != request->transaction) {
      std::abort();
    }
  }
  const auto message = docker::ParseHardenerMessage(line);
  if (message.ok()) {
    using Kind = docker::HardenerMessage::Kind;
    const std::string written = message->kind == Kind::kError   ? docker::ErrorLine(message->error)
                                : message->kind == Kind::kStep  ? docker::StepLine(message->json)
                                : message->kind == Kind::kEvent ? docker::EventLine(message->json)
                                                                : docker::AnswerLine(message->json);
    const auto again = docker::ParseHardenerMessage(written);
    if (written.find('\n') != std::string::npos || !again.ok() || again->kind != message->kind ||
        again->json != message->json || again->error != message->error) {
      std::abort();
    }
  }
  return 0;
}
