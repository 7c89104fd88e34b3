// The TPM structures in evidence, unmarshalled into plain data. All input is foreign: each
// reader caps the size before it looks, and takes bytes after the structure for an error.
// Errors are INVALID_ARGUMENT, reason MALFORMED, and name the structure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/verify.h"

namespace seaworthy::verify {

// TPMT_PUBLIC of an RSA or ECC key. Algorithms are TPM_ALG_ID's, the curve a TPM_ECC_CURVE.
struct PublicArea {
  std::uint16_t type = 0;
  std::uint16_t name_hash = 0;
  std::uint32_t attributes = 0;   // TPMA_OBJECT
  std::uint16_t scheme = 0;       // TPM_ALG_NULL when the key has none
  std::uint16_t scheme_hash = 0;  // 0 when the scheme has none
  std::uint16_t symmetric = 0;    // of a storage key; TPM_ALG_NULL when the key is none
  std::uint16_t symmetric_bits = 0;
  std::uint16_t symmetric_mode = 0;
  // RSA
  std::uint16_t key_bits = 0;
  std::uint32_t exponent = 0;  // 0 stands for 65537
  Bytes modulus;
  // ECC
  std::uint16_t curve = 0;
  Bytes x, y;
};

Result<PublicArea> ParsePublicArea(ByteView marshalled);

// The set bits of TPMA_OBJECT by name: "fixedTPM fixedParent sign". "none" when there are none.
std::string AttributeNames(std::uint32_t attributes);

// TPMT_SIGNATURE, by one of ECDSA, RSASSA, RSAPSS.
struct Signature {
  std::uint16_t scheme = 0;
  std::uint16_t hash = 0;
  Bytes rsa;   // empty for ECDSA
  Bytes r, s;  // ECDSA
};

Result<Signature> ParseSignature(ByteView marshalled);

// One TPMS_PCR_SELECTION: the indices ascend, as the TPM hashes them.
struct PcrBank {
  std::uint16_t bank = 0;
  std::uint8_t select_size = 0;  // of the bitmap as quoted, bytes, at most 4
  std::vector<std::uint32_t> indices;
};

// The beginning of a TPMS_ATTEST, which tells what the rest is.
struct AttestHeader {
  std::uint32_t magic = 0;
  std::uint16_t type = 0;
};

Result<AttestHeader> ParseAttestHeader(ByteView marshalled);

// TPMS_ATTEST of a type this library judges.
struct Attest {
  AttestHeader header;
  Bytes extra_data;
  ClockInfo clock;
  // TPM_ST_ATTEST_QUOTE
  std::vector<PcrBank> pcrs;
  Bytes pcr_digest;
  // TPM_ST_ATTEST_CERTIFY
  Bytes certified_name;
};

Result<Attest> ParseAttest(ByteView marshalled);

}  // namespace seaworthy::verify
