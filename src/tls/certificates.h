// PEM with certificates in it, read with caps; shared by x509.cc and tls_context.cc.
#pragma once

#include <ctime>
#include <string_view>
#include <vector>

#include "seaworthy/tls/openssl.h"

namespace seaworthy::tls {

struct CertificateCaps {
  std::size_t bytes;
  std::size_t count;
};

// All certificates of `pem` in order, at least one. Text outside of the blocks is ignored, as
// `openssl x509 -text` writes it; a block of another type, a private key above all, is refused.
// INVALID_ARGUMENT (INVALID_CERTIFICATE) says which block, counting from 1.
Result<std::vector<X509Ptr>> ParseCertificates(std::string_view pem, const CertificateCaps& caps);

// Seconds since 1970; negative before. Certificates reach further (9999) than a
// system_clock::time_point does, so dates are compared in these.
Result<std::time_t> ToSeconds(const ASN1_TIME* time);

// INVALID_ARGUMENT with CERTIFICATE_EXPIRED or CERTIFICATE_NOT_YET_VALID; `name` begins the
// message.
Status CheckInDate(const X509* certificate, std::time_t now, std::string_view name);

// RFC 4514, and empty for an empty name.
std::string ToString(const X509_NAME* name);

}  // namespace seaworthy::tls
