#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

std::string_view ToString(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::kEcP256:
      return "EC_P256";
    case KeyAlgorithm::kEcP384:
      return "EC_P384";
    case KeyAlgorithm::kRsa2048:
      return "RSA_2048";
    case KeyAlgorithm::kRsa3072:
      return "RSA_3072";
  }
  return "unknown";
}

std::string_view ToString(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha1:
      return "sha1";
    case HashAlgorithm::kSha256:
      return "sha256";
    case HashAlgorithm::kSha384:
      return "sha384";
    case HashAlgorithm::kSha512:
      return "sha512";
  }
  return "unknown";
}

std::size_t DigestSize(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha1:
      return 20;
    case HashAlgorithm::kSha256:
      return 32;
    case HashAlgorithm::kSha384:
      return 48;
    case HashAlgorithm::kSha512:
      return 64;
  }
  return 0;
}

}  // namespace seaworthy::tpm
