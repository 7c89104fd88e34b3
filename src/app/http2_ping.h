// A heartbeat for an HTTP/2 server that costs neither a client library nor a call.
#pragma once

#include "seaworthy/deadline.h"

namespace seaworthy::app {

// Opens HTTP/2 on `socket` (connected, non-blocking), sends a PING and waits for its
// acknowledgement. RFC 9113, 3.4, 6.5 and 6.7.
bool AnswersHttp2Ping(int socket, Deadline deadline);

}  // namespace seaworthy::app
