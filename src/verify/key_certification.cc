#include <openssl/x509.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "verify/signature.h"
#include "verify/signed_statement.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint32_t kStaysInTpm =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;

// More than any SubjectPublicKeyInfo of a key that is accepted.
constexpr std::size_t kMaxSubjectPublicKeyInfo = 4096;

void CheckName(ByteView key_public, const Bytes& certified, Report& report) {
  const Result<Bytes> name = NameOf(key_public);
  if (!name.ok()) {
    report.Failed("KEY_UNSUITABLE",
                  "The certified key has no usable name: " + Message(name.status()) + ".");
  } else if (*name != certified) {
    report.Failed("KEY_MISMATCH", "The attestation key certified another key than this one.",
                  Hex(certified), Hex(*name));
  } else {
    report.Passed("KEY_CERTIFIED", "The attestation key certified this key.");
  }
}

void CheckAttributes(const PublicArea& key, Report& report) {
  if ((key.attributes & kStaysInTpm) != kStaysInTpm) {
    report.Failed("KEY_UNSUITABLE", "The certified key was not made in its TPM, or can leave it.",
                  AttributeNames(kStaysInTpm), AttributeNames(key.attributes));
  } else {
    report.Passed("KEY_SUITABLE", "The certified key was made in its TPM and cannot leave it.");
  }
}

Result<EvpPkeyPtr> ParseSubjectPublicKeyInfo(ByteView der) {
  const QuietOpenssl quiet;
  const std::uint8_t* end = der.data();
  if (der.size() <= kMaxSubjectPublicKeyInfo) {
    EvpPkeyPtr key(d2i_PUBKEY(nullptr, &end, static_cast<long>(der.size())));
    if (key != nullptr && end == der.data() + der.size()) return key;
  }
  return Fail(Code::kInvalidArgument, "MALFORMED", "it is not a SubjectPublicKeyInfo in DER");
}

bool IsSame(EVP_PKEY* one, EVP_PKEY* other) {
  const QuietOpenssl quiet;
  return EVP_PKEY_eq(one, other) == 1;
}

void CheckSubject(EVP_PKEY* certified, ByteView subject_public_key_info, Report& report) {
  const Result<EvpPkeyPtr> subject = ParseSubjectPublicKeyInfo(subject_public_key_info);
  if (!subject.ok()) {
    report.Failed("MALFORMED",
                  "The public key to compare with: " + Message(subject.status()) + ".");
  } else if (!IsSame(certified, subject->get())) {
    report.Failed("KEY_MISMATCH", "The public key to compare with is not the certified key's.");
  } else {
    report.Passed("KEY_MATCHES", "The public key to compare with is the certified key's.");
  }
}

Bytes ToSubjectPublicKeyInfo(EVP_PKEY* key) {
  const QuietOpenssl quiet;
  Bytes der(static_cast<std::size_t>(std::max(i2d_PUBKEY(key, nullptr), 0)));
  std::uint8_t* end = der.data();
  if (!der.empty()) i2d_PUBKEY(key, &end);
  return der;
}

}  // namespace

Verdict VerifyKeyCertification(const KeyCertification& certification, ByteView nonce,
                               const EnrolledKey& ak, ByteView subject_public_key_info) {
  Report report;
  const auto statement =
      CheckStatement({certification.ak_public, certification.attested, certification.signature},
                     TPM2_ST_ATTEST_CERTIFY, nonce, ak, report);
  if (!statement) return std::move(report).BrokenOff();
  const Result<PublicArea> key = ParsePublicArea(certification.key_public);
  if (!key.ok()) {
    report.Failed("MALFORMED", "The certified key: " + Message(key.status()) + ".");
    return std::move(report).BrokenOff();
  }
  CheckName(certification.key_public, statement->attest.certified_name, report);
  CheckAttributes(*key, report);
  const Result<EvpPkeyPtr> certified = ToOpenssl(*key);
  if (!certified.ok()) {
    report.Failed("KEY_UNSUITABLE", "The certified key: " + Message(certified.status()) + ".");
    return std::move(report).BrokenOff();
  }
  if (!subject_public_key_info.empty()) {
    CheckSubject(certified->get(), subject_public_key_info, report);
  }
  report.AddKey({statement->attest.certified_name, ToSubjectPublicKeyInfo(certified->get())});
  return std::move(report).Complete(statement->attest.clock);
}

bool IsProven(const Verdict& verdict, ByteView subject_public_key_info) {
  const Result<EvpPkeyPtr> wanted = ParseSubjectPublicKeyInfo(subject_public_key_info);
  if (!verdict.trusted || !wanted.ok()) return false;
  return std::ranges::any_of(verdict.keys, [&](const ProvenKey& key) {
    const Result<EvpPkeyPtr> proven = ParseSubjectPublicKeyInfo(key.subject_public_key_info);
    return proven.ok() && IsSame(proven->get(), wanted->get());
  });
}

}  // namespace seaworthy::verify
