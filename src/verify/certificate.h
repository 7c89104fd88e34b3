// X.509 certificates of endorsement keys and of those who sign them.
#pragma once

#include <string>

#include "seaworthy/enrolment.h"
#include "verify/signature.h"

namespace seaworthy::verify {

// DER, with padding after it or none, at most 16 KiB. INVALID_ARGUMENT, reason MALFORMED.
Result<X509Ptr> ParseCertificate(ByteView der);

// RFC 4514.
std::string ToText(const X509_NAME* name);

// Out of the subjectAltName's directoryName.
TpmModel ReadTpmModel(const X509* certificate);

// Whether the certificate says that it is for an endorsement key: by its extended key usage
// (tcg-kp-EKCertificate) or, where it has none, by naming a TPM in its subjectAltName; and
// whether its other extensions leave room for that. Empty, or a sentence that says what does not.
std::string WhyNotForTpm(X509* certificate);

}  // namespace seaworthy::verify
