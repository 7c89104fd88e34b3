#pragma once

#include <string>

#include "seaworthy/tls/front.h"

namespace seaworthy::tls {

// Who is at the other end of an authenticated connection: from the certificate of this
// handshake, or of the one whose session it resumes.
ClientIdentity IdentityOf(const SSL* ssl, const std::string& address);

}  // namespace seaworthy::tls
