// A Subject as OpenSSL's objects, with all its entries checked.
#pragma once

#include "seaworthy/tls/x509.h"

namespace seaworthy::tls {

using X509NamePtr = CPtr<X509_NAME, X509_NAME_free>;
using GeneralNamesPtr = CPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

// RFC 4514, section 3, without multi-valued RDNs, "#" values and dotted OIDs.
// INVALID_ARGUMENT (INVALID_SUBJECT).
Result<X509NamePtr> ParseDistinguishedName(std::string_view text);

// The subjectAltName, null when there is none. INVALID_ARGUMENT (INVALID_SUBJECT) names field
// and entry ("dns_names[2]").
Result<GeneralNamesPtr> MakeAlternativeNames(const Subject& subject);

}  // namespace seaworthy::tls
