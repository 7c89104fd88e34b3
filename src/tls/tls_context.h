// The SSL_CTX of the front: mutual TLS, sessions that can be resumed.
#pragma once

#include "seaworthy/tls/front.h"

namespace seaworthy::tls {

// INVALID_ARGUMENT: INVALID_CERTIFICATE, CERTIFICATE_KEY_MISMATCH, INVALID_TLS_VERSION.
Result<SslCtxPtr> MakeServerContext(const Front::Credentials& credentials);

}  // namespace seaworthy::tls
