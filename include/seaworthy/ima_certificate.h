// Certificates as the kernel takes them into the keyrings by which it appraises files.
#pragma once

#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

struct ImaCertificate {
  Bytes der;
  // By this the kernel finds the key: "id:" and the subject key identifier in hex.
  std::string key;
  std::string subject;  // RFC 4514
  bool rsa = false;     // else ECDSA

  // The first certificate of a file in PEM or DER; what follows it are its issuers'.
  // INVALID_ARGUMENT: MALFORMED, or IMA_CERTIFICATE_UNSUITABLE with what the kernel would not
  // take or never find.
  static Result<ImaCertificate> Parse(ByteView file);
};

}  // namespace seaworthy::verify
