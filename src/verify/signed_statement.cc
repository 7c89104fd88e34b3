#include "verify/signed_statement.h"

#include <openssl/crypto.h>
#include <tss2/tss2_tpm2_types.h>

#include "verify/digest.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kAkAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                        TPMA_OBJECT_SIGN_ENCRYPT;

std::string_view TypeName(std::uint16_t type) {
  switch (type) {
    case TPM2_ST_ATTEST_QUOTE:
      return "quote";
    case TPM2_ST_ATTEST_CERTIFY:
      return "certification of a key";
    case TPM2_ST_ATTEST_CREATION:
      return "certification of a creation";
    case TPM2_ST_ATTEST_NV:
      return "certification of an NV index";
    case TPM2_ST_ATTEST_TIME:
      return "attestation of time";
    case TPM2_ST_ATTEST_SESSION_AUDIT:
    case TPM2_ST_ATTEST_COMMAND_AUDIT:
      return "audit";
    default:
      return "structure of unknown type";
  }
}

std::string Hex32(std::uint32_t value) {
  const std::uint8_t bytes[] = {
      static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16 & 0xff),
      static_cast<std::uint8_t>(value >> 8 & 0xff), static_cast<std::uint8_t>(value & 0xff)};
  return "0x" + Hex(bytes);
}

void CheckAkName(ByteView ak_public, const EnrolledKey& ak, Report& report) {
  const Result<Bytes> name = NameOf(ak_public);
  if (!name.ok()) {
    report.Failed("AK_UNSUITABLE",
                  "The attestation key has no usable name: " + Message(name.status()) + ".");
  } else if (*name != ak.name) {
    report.Failed("AK_UNKNOWN", "The attestation key is not the one that was enrolled.",
                  Hex(ak.name), Hex(*name));
  } else {
    report.Passed("AK_KNOWN", "The attestation key is the one that was enrolled.");
  }
}

bool CheckOrigin(const SignedStatement& statement, std::uint16_t type, Report& report) {
  const Result<AttestHeader> header = ParseAttestHeader(statement.attested);
  if (!header.ok()) {
    report.Failed("MALFORMED", "The signed statement: " + Message(header.status()) + ".");
    return false;
  }
  if (header->magic != TPM2_GENERATED_VALUE) {
    report.Failed("NOT_TPM_GENERATED",
                  "The signed statement does not begin with TPM_GENERATED: no TPM made it.",
                  Hex32(TPM2_GENERATED_VALUE), Hex32(header->magic));
    return false;
  }
  if (header->type != type) {
    report.Failed("WRONG_TYPE",
                  "The signed statement is a " + std::string(TypeName(header->type)) + ", not a " +
                      std::string(TypeName(type)) + ".",
                  Hex32(type), Hex32(header->type));
    return false;
  }
  report.Passed("TPM_GENERATED",
                "The signed statement is a " + std::string(TypeName(type)) + " made by a TPM.");
  return true;
}

void CheckNonce(ByteView expected, ByteView found, Report& report) {
  if (expected.empty()) {
    report.Failed("NONCE_MISSING",
                  "No nonce was given to compare with: the statement may be an old one.");
  } else if (expected.size() != found.size() ||
             CRYPTO_memcmp(expected.data(), found.data(), expected.size()) != 0) {
    report.Failed("NONCE_MISMATCH",
                  "The nonce is not the one that was asked with: the statement is old, or made for "
                  "somebody else.",
                  Hex(expected), Hex(found));
  } else {
    report.Passed("NONCE_MATCHES", "The nonce is the one that was asked with.");
  }
}

}  // namespace

void CheckAkSuitable(const PublicArea& key, Report& report) {
  if ((key.attributes & kAkAttributes) != kAkAttributes) {
    report.Failed("AK_UNSUITABLE",
                  "The attestation key is not a restricted signing key that was made in its TPM "
                  "and cannot leave it.",
                  AttributeNames(kAkAttributes), AttributeNames(key.attributes));
  } else if (CollisionResistant(key.scheme_hash) == nullptr) {
    report.Failed("AK_UNSUITABLE",
                  "The attestation key is not bound to a signature scheme with an acceptable hash.",
                  "sha256, sha384 or sha512",
                  key.scheme_hash == 0 ? "none" : HashName(key.scheme_hash));
  } else {
    report.Passed("AK_SUITABLE",
                  "The attestation key lives in a TPM, signs only what that TPM itself made, and "
                  "cannot leave it.");
  }
}

std::optional<CheckedStatement> CheckStatement(const SignedStatement& statement, std::uint16_t type,
                                               ByteView nonce, const EnrolledKey& ak,
                                               Report& report) {
  const Result<PublicArea> key = ParsePublicArea(statement.ak_public);
  if (!key.ok()) {
    report.Failed("MALFORMED", "The attestation key: " + Message(key.status()) + ".");
    return std::nullopt;
  }
  CheckAkName(statement.ak_public, ak, report);
  CheckAkSuitable(*key, report);
  if (const Status usable = ToOpenssl(*key).status(); !usable.ok()) {
    report.Failed("AK_UNSUITABLE", "The attestation key: " + Message(usable) + ".");
    return std::nullopt;
  }
  const Result<Signature> signature = ParseSignature(statement.signature);
  if (!signature.ok()) {
    report.Failed("MALFORMED", "The signature: " + Message(signature.status()) + ".");
    return std::nullopt;
  }
  if (const Status checked = CheckSignature(*key, *signature, statement.attested); !checked.ok()) {
    report.Failed("SIGNATURE_INVALID", "The signature does not hold: " + Message(checked) + ".");
    return std::nullopt;
  }
  report.Passed("SIGNATURE_VALID", "The signature is the attestation key's.");
  if (!CheckOrigin(statement, type, report)) return std::nullopt;
  Result<Attest> attest = ParseAttest(statement.attested);
  if (!attest.ok()) {
    report.Failed("MALFORMED", "The signed statement: " + Message(attest.status()) + ".");
    return std::nullopt;
  }
  CheckNonce(nonce, attest->extra_data, report);
  return CheckedStatement{*std::move(attest), signature->hash};
}

}  // namespace seaworthy::verify
