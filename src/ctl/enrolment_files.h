// The files of an enrolment on the backend's side.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "seaworthy/enrolment.h"

namespace seaworthy::ctl {

// What the backend keeps between challenge and answer. The key is in it, and not read again from
// what the node sent, which may be another one by then.
struct Pending {
  Bytes secret;
  std::string ak;  // as `seaworthyctl ak --out` writes it
};
std::string FormatPending(const Pending& pending);
Result<Pending> ParsePending(std::string_view text);

// The secret as `enrol answer` writes it: hex, and a line break or none.
Result<Bytes> ParseAnswer(std::string_view text);

// The certificates in the .pem, .crt, .cer and .der files of a folder. A file that cannot be read
// is told on `warnings` and left out, which can only make a node not trusted. INVALID_ARGUMENT
// when there is none at all.
Result<verify::VendorCertificates> ReadVendorCertificates(const std::string& folder,
                                                          std::ostream& warnings);

// Gives the certificate in the file to the endorsement keys that came without one.
Status AddCertificate(const std::string& path, verify::Endorsement& endorsement);

}  // namespace seaworthy::ctl
