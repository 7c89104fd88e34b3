// The daemon's keys as those that sign files and what is said of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ctl/session.h"
#include "seaworthy/ima_signature.h"
#include "seaworthy/v1/key.pb.h"

namespace seaworthy::ctl {

Outcome GetKey(Session& session, const std::string& name, v1::Key& key);

// Its certificate, or its public key while it has none.
std::string PemOf(const v1::Key& key);

// Has the daemon sign digests, each by itself: RSA PKCS#1 v1.5, or ECDSA in DER.
Result<std::vector<Bytes>> SignDigests(Session& session, const v1::Key& key, verify::ImaHash hash,
                                       std::span<const Bytes> digests);

}  // namespace seaworthy::ctl
