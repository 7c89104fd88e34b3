// What is to be signed, as a digest.
#pragma once

#include <istream>

#include "seaworthy/bytes.h"
#include "seaworthy/v1/common.pb.h"

namespace seaworthy::ctl {

// Hashes the stream to its end, whatever its size. UNAVAILABLE (READ_FAILED) when it breaks.
Result<Bytes> HashStream(std::istream& stream, v1::HashAlgorithm hash);

// The same for a file that the user named.
Result<Bytes> HashFile(const std::string& path, v1::HashAlgorithm hash);

}  // namespace seaworthy::ctl
