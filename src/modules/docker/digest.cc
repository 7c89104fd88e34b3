#include "modules/docker/digest.h"

#include <openssl/evp.h>

namespace seaworthy::docker {

std::string Sha256Hex(ByteView data) {
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return "";
  }
  return Hex(ByteView(digest).first(size));
}

}  // namespace seaworthy::docker
