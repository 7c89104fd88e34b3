// Part of libseaworthy-verify: taking a node in. The backend judges what the node offers, makes a
// credential that only this node's TPM can open for this attestation key, and enrols the key when
// the secret comes back. Needs no TPM. All input is foreign.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "seaworthy/verify.h"

namespace seaworthy::verify {

struct EndorsementKey {
  Bytes public_area;  // TPMT_PUBLIC
  Bytes certificate;  // X.509, DER, padding after it is ignored; empty when the TPM has none
};

// What a node offers; the message seaworthy.v1.Endorsement as plain data.
struct Endorsement {
  std::vector<EndorsementKey> keys;
  std::vector<Bytes> chain;  // CA certificates that the TPM keeps, DER
  Bytes ak_public;           // TPMT_PUBLIC of the attestation key
};

// The serialized message. INVALID_ARGUMENT, reason MALFORMED, as ParseEvidence.
Result<Endorsement> ParseEndorsement(ByteView serialized);

// Certificates of TPM makers' CAs, DER: those signed by themselves are trusted, the others help
// to get there.
using VendorCertificates = std::vector<Bytes>;

// The certificates in a file, PEM (any number, text around them is ignored) or DER.
// INVALID_ARGUMENT, reason MALFORMED, when there is none, or one that does not parse.
Result<std::vector<Bytes>> ParseCertificates(ByteView file);

// What an EK certificate says of its TPM (TCG EK Credential Profile, 3.2.9), empty when it does
// not. To be believed only when trusted.
struct TpmModel {
  std::string manufacturer;  // the TCG's vendor id as text, "IFX", or as it stands there
  std::string model;
  std::string firmware;  // hex, as it stands there
};

// Findings are those of one endorsement key: the first that is trusted, or else the one with the
// fewest failures. Codes, beside AK_SUITABLE, AK_UNSUITABLE and MALFORMED (verify.h), are stable.
// kInfo: EK_SUITABLE, EK_CERTIFICATE_MATCHES, EK_CERTIFICATE_FOR_TPM, EK_CERTIFICATE_TRUSTED.
// kFailure: EK_MISSING (the node offers no key), EK_NOT_AN_EK (attributes), EK_UNSUPPORTED
// (algorithms), EK_CERTIFICATE_MISSING, EK_CERTIFICATE_MALFORMED, EK_CERTIFICATE_OF_ANOTHER_KEY,
// EK_CERTIFICATE_NOT_FOR_TPM (its purpose is another), EK_CERTIFICATE_EXPIRED,
// EK_CERTIFICATE_NOT_YET_VALID, EK_CERTIFICATE_WEAK (hash or key of a signature),
// EK_CERTIFICATE_EXTENSION_UNKNOWN (a critical one), EK_CERTIFICATE_FORGED (a signature does not
// hold), EK_ROOT_UNKNOWN, EK_CHAIN_INVALID.
struct EndorsementVerdict {
  bool trusted = false;  // all checks were made and none failed
  std::vector<Finding> findings;
  TpmModel tpm;
  Bytes ek_public;  // of the endorsement key that was judged
  EnrolledKey ak;   // what to enrol once the secret came back
};

// Checks that an endorsement key is one, that its certificate is for it, in date at `time` and
// leads to a trusted vendor certificate, and that the attestation key is a restricted signing
// key. That the two live in one TPM only the credential shows. Revocation is not looked at.
EndorsementVerdict VerifyEndorsement(const Endorsement& endorsement,
                                     const VendorCertificates& vendors,
                                     std::chrono::system_clock::time_point time);

// TPM2_MakeCredential in software (TPM 2.0 part 1, 24).
struct Credential {
  Bytes blob;              // TPM2B_ID_OBJECT
  Bytes encrypted_secret;  // TPM2B_ENCRYPTED_SECRET
};

// Only a TPM that has both the endorsement key and a loaded object of this name gets `secret` out.
// 16 bytes to the size of the endorsement key's name digest; fresh from a random generator for
// each challenge. INVALID_ARGUMENT: MALFORMED, UNSUPPORTED_KEY, UNSUPPORTED_HASH, SECRET_SIZE.
Result<Credential> MakeCredential(ByteView ek_public, ByteView object_name, ByteView secret);

// A fresh secret for MakeCredential: 32 bytes.
Result<Bytes> MakeSecret();

// Whether the node gave the secret back; takes as long for a wrong one.
bool IsSecret(ByteView answer, ByteView secret);

// The SubjectPublicKeyInfo of a TPMT_PUBLIC, PEM. INVALID_ARGUMENT: MALFORMED, UNSUPPORTED_KEY.
Result<std::string> PublicKeyPem(ByteView public_area);

}  // namespace seaworthy::verify
