#include "modules/docker/ask_hardener.h"

#include "modules/docker/hardener_socket.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {

Result<std::string> AskHardener(const std::string& socket, Deadline deadline,
                                const HardenerRequest& request, const HardenerListener& listener) {
  ASSIGN_OR_RETURN(const std::string question, ToLine(request));
  ASSIGN_OR_RETURN(const UniqueFd connection, ConnectToHardener(socket, deadline));
  RETURN_IF_ERROR(SendLine(connection.get(), deadline, question));
  LineReader lines(connection.get(), kMaxHardenerAnswer);
  for (;;) {
    ASSIGN_OR_RETURN(const std::string line, lines.Next(deadline, listener.wanted));
    ASSIGN_OR_RETURN(HardenerMessage message, ParseHardenerMessage(line));
    if (message.kind == HardenerMessage::Kind::kError) return message.error;
    if (message.kind == HardenerMessage::Kind::kAnswer) return std::move(message.json);
    if (listener.step) RETURN_IF_ERROR(listener.step(message.json));
  }
}

}  // namespace seaworthy::docker
