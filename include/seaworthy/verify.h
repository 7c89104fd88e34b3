// libseaworthy-verify: judges what a node says about itself. Needs no TPM and no daemon. All
// input is foreign: sizes are capped, nothing is trusted before the signature is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::verify {

// The value of one PCR; `bank` is a TPM_ALG_ID (0x000b is SHA-256), 0 when the message had one
// that is not known.
struct PcrValue {
  std::uint16_t bank = 0;
  std::uint32_t index = 0;
  Bytes digest;
};

// A key and the attestation key's word that it lives in the same TPM; the message
// seaworthy.v1.KeyCertification.
struct KeyCertification {
  Bytes key_public;  // TPMT_PUBLIC
  Bytes ak_public;   // TPMT_PUBLIC
  Bytes attested;    // TPMS_ATTEST
  Bytes signature;   // TPMT_SIGNATURE
};

// What a node says about itself; the message seaworthy.v1.Evidence as plain data.
struct Evidence {
  Bytes ak_public;  // TPMT_PUBLIC
  Bytes quoted;     // TPMS_ATTEST
  Bytes signature;  // TPMT_SIGNATURE
  std::vector<PcrValue> pcrs;
  // The firmware's boot event log, as the node had it.
  Bytes boot_log = {};
  // The kernel's IMA list in its binary form from entry `ima_first` on, as the node had it.
  Bytes ima_list = {};
  std::uint64_t ima_first = 0;
  // Of further keys, over the quote's nonce. Verifier (verifier.h) judges them, VerifyQuote does
  // not.
  std::vector<KeyCertification> keys = {};
};

// Of a serialized message; protobuf takes 2 GiB at most, a list of a million entries has 130 MiB.
inline constexpr std::size_t kMaxMessage = std::size_t{512} << 20;

// The serialized messages. INVALID_ARGUMENT, reason MALFORMED, when the bytes are not one or
// are over 512 MiB.
Result<Evidence> ParseEvidence(ByteView serialized);
Result<KeyCertification> ParseKeyCertification(ByteView serialized);

// kInfo: it held, which is worth nothing beside a failure. kWarning: the policy wants to be told.
enum class Severity { kInfo, kWarning, kFailure };

// One thing that was checked and what came of it. Codes are stable; docs/modules/attestation.md
// has them all.
struct Finding {
  std::string code;
  Severity severity = Severity::kFailure;
  std::string expected = {};  // may be empty
  std::string found = {};     // may be empty
  std::string sentence = {};  // for a person
  // What it is about, where it is about one.
  std::optional<std::uint32_t> pcr = {};
  std::optional<std::uint64_t> entry = {};  // of the IMA list, from 0
  std::string file = {};                    // bytes that are not printable ASCII, and '%', as "%XX"
  std::string key = {};                     // a certified key's TPM name, hex
};

// Counters and clock out of TPMS_ATTEST; to be believed only when trusted.
struct ClockInfo {
  std::uint64_t clock_ms = 0;
  std::uint32_t reset_count = 0;
  std::uint32_t restart_count = 0;
  bool safe = false;
  std::uint64_t firmware_version = 0;
};

// A key that the attestation key certified over the nonce: it lives in the same TPM.
struct ProvenKey {
  Bytes name;                     // TPM name
  Bytes subject_public_key_info;  // DER
};

struct Verdict {
  bool trusted = false;  // all checks were made and none failed
  std::vector<Finding> findings;
  ClockInfo clock;
  std::vector<ProvenKey> keys = {};  // none unless trusted
};

// The attestation key that was enrolled: its TPM name (16-bit algorithm and digest).
struct EnrolledKey {
  Bytes name;
};

// Checks, in this order and as far as each makes sense after the one before: the attestation
// key is the enrolled one and a restricted signing key of a TPM; the signature over the
// quoted bytes; TPM_GENERATED and the type; the nonce; the PCR values against the quoted
// digest.
Verdict VerifyQuote(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak);

// Checks that the attestation key certified this key over this nonce, that its attributes keep it
// in the TPM (fixedTPM, fixedParent, sensitiveDataOrigin), and that it is of a kind that is
// accepted (RSA of 2048 to 4096 bits, P-256, P-384, P-521). `subject_public_key_info`,
// DER, when not empty, must be the key's: how a CA ties a CSR to the TPM.
Verdict VerifyKeyCertification(const KeyCertification& certification, ByteView nonce,
                               const EnrolledKey& ak, ByteView subject_public_key_info);

// Whether this key, a SubjectPublicKeyInfo in DER as a CSR has it, is one that the verdict proves.
bool IsProven(const Verdict& verdict, ByteView subject_public_key_info);

// The TPM name of a TPMT_PUBLIC. INVALID_ARGUMENT for what is not one (MALFORMED) or is named
// with another hash than SHA-256, SHA-384 or SHA-512 (UNSUPPORTED_HASH).
Result<Bytes> NameOf(ByteView public_area);

// The quote as tpm2-tools' files: tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig
// -f quote.pcrs -g sha256 -q NONCE. Judges nothing; INVALID_ARGUMENT when a part cannot be
// read, is not a quote, or lacks a quoted PCR's value.
struct Tpm2ToolsFiles {
  std::string ak_pem;
  Bytes message;
  Bytes signature;
  Bytes pcrs;
};
Result<Tpm2ToolsFiles> ToTpm2Tools(const Evidence& evidence);

}  // namespace seaworthy::verify
