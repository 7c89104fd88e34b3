// TPM structures to and from bytes (TPM 2.0 part 2; tss2-mu does the work).
#pragma once

#include <tss2/tss2_mu.h>

#include <algorithm>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"
#include "tpm/rc.h"

namespace seaworthy::tpm {

// Marshal<Tss2_MU_TPMT_PUBLIC_Marshal>(public_area). tss2's structures bound their own size.
template <auto Function, class T>
Bytes Marshal(const T& value) {
  Bytes bytes(sizeof(T) + 64);
  std::size_t size = 0;
  if (Function(&value, bytes.data(), bytes.size(), &size) != TSS2_RC_SUCCESS) return {};
  bytes.resize(size);
  return bytes;
}

// Numbers, which tss2 takes in another way.
inline Bytes Marshal(std::uint16_t number) {
  return {static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xff)};
}
inline Bytes Marshal(std::uint32_t number) {
  return {static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16 & 0xff),
          static_cast<std::uint8_t>(number >> 8 & 0xff), static_cast<std::uint8_t>(number & 0xff)};
}

// The whole of `bytes` as a T; INVALID_ARGUMENT (INVALID_TPM_STRUCTURE) also when some are left.
template <class T, auto Function>
Result<T> Unmarshal(ByteView bytes, std::string_view what) {
  T value = {};
  std::size_t used = 0;
  const TSS2_RC rc = Function(bytes.data(), bytes.size(), &used, &value);
  if (rc != TSS2_RC_SUCCESS || used != bytes.size()) {
    return Fail(Code::kInvalidArgument, "INVALID_TPM_STRUCTURE",
                std::string(what) +
                    (rc != TSS2_RC_SUCCESS ? " does not parse" : " has bytes after its end"));
  }
  return value;
}

inline Result<TPM2B_PUBLIC> ParsePublic(ByteView bytes) {
  return Unmarshal<TPM2B_PUBLIC, Tss2_MU_TPM2B_PUBLIC_Unmarshal>(bytes, "TPM2B_PUBLIC");
}

inline Result<TPM2B_PRIVATE> ParsePrivate(ByteView bytes) {
  return Unmarshal<TPM2B_PRIVATE, Tss2_MU_TPM2B_PRIVATE_Unmarshal>(bytes, "TPM2B_PRIVATE");
}

// A TPM2B of another type (TPM2B_DATA, TPM2B_DIGEST, ...) from bytes that fit it.
template <class T, auto Buffer>
T ToTpm2b(ByteView bytes) {
  T value = {};
  value.size = static_cast<std::uint16_t>(std::min(bytes.size(), sizeof(value.*Buffer)));
  std::copy_n(bytes.begin(), value.size, value.*Buffer);
  return value;
}

}  // namespace seaworthy::tpm
