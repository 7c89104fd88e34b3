// meta.json: what is known of a key beside its wrapped blobs.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "seaworthy/status.h"
#include "seaworthy/tls/x509.h"

namespace seaworthy::keys {

// A chain at its cap with every byte written as \u00xx, and room for the rest.
inline constexpr std::size_t kMaxMetadata = 6 * tls::kMaxChainBytes + 4096;

// Generations count a key's rotations; "key-<generation>.pem".
inline constexpr std::uint32_t kMaxGeneration = 999'999'999;

struct Metadata {
  std::string name;
  std::chrono::sys_seconds created;
  std::uint32_t current = 1;          // generation in use
  std::uint32_t next = 0;             // current + 1 while it waits for its certificate, else 0
  std::string certificate_chain_pem;  // of the current generation; empty when none
};

std::string ToJson(const Metadata& metadata);

// INVALID_ARGUMENT (INVALID_METADATA) names the field. Strict: unknown, missing and repeated
// fields, other types and another format number are errors.
Result<Metadata> ParseMetadata(std::string_view text);

}  // namespace seaworthy::keys
