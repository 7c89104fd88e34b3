// Signatures of files as the kernel's IMA keeps them in security.ima.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "seaworthy/ima_list.h"
#include "verify/signature.h"

namespace seaworthy::verify {

// The keys that may have signed, by what a signature names its key with.
class ImaKeys {
 public:
  // Certificates or public keys, PEM. INVALID_ARGUMENT (IMA_KEY_MALFORMED) names the one by its
  // place in the list.
  static Result<ImaKeys> Parse(const std::vector<std::string>& pems);

  // Whether one of the keys signed the entry's digest: signature formats 2 and 3. The reasons why
  // not: IMA_SIGNATURE_MISSING, IMA_SIGNATURE_MALFORMED, IMA_KEY_UNKNOWN, IMA_SIGNATURE_INVALID.
  Status Check(const ImaFields& fields) const;

  bool empty() const { return keys_.empty(); }

 private:
  // The last four bytes of the key's identifier, big-endian.
  std::multimap<std::uint32_t, EvpPkeyPtr> keys_;
};

}  // namespace seaworthy::verify
