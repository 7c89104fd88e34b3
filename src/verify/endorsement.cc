#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "seaworthy/enrolment.h"
#include "seaworthy/status_macros.h"
#include "verify/certificate.h"
#include "verify/credential.h"
#include "verify/signature.h"
#include "verify/signed_statement.h"

namespace seaworthy::verify {
namespace {

using StorePtr = CPtr<X509_STORE, X509_STORE_free>;
using StoreContextPtr = CPtr<X509_STORE_CTX, X509_STORE_CTX_free>;

struct FreeCertificates {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using CertificatesPtr = std::unique_ptr<STACK_OF(X509), FreeCertificates>;

constexpr std::uint32_t kEkAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                        TPMA_OBJECT_DECRYPT;

// More than the TCG has templates for.
constexpr std::size_t kMaxKeys = 16;
constexpr std::size_t kMaxChain = 32;
constexpr int kMaxDepth = 8;
// OpenSSL's: keys of at least 112 bits of security, which RSA-2048 has, and hashes likewise,
// which SHA-1 is not.
constexpr int kSecurityLevel = 2;

struct Judged {
  Report report;
  TpmModel tpm;
  Bytes ek_public;
};

bool CheckEk(const PublicArea& ek, Report& report) {
  if ((ek.attributes & kEkAttributes) != kEkAttributes ||
      (ek.attributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0) {
    report.Failed("EK_NOT_AN_EK",
                  "The endorsement key is not a restricted decryption key that was made in its "
                  "TPM and cannot leave it.",
                  AttributeNames(kEkAttributes), AttributeNames(ek.attributes));
    return false;
  }
  const Status usable = ToOpenssl(ek).status();
  if (!usable.ok()) {
    report.Failed("EK_UNSUPPORTED", "The endorsement key: " + Message(usable) + ".");
    return false;
  }
  if (const Status status = CheckProtectsCredentials(ek); !status.ok()) {
    report.Failed("EK_UNSUPPORTED", "No credential can be made: " + Message(status) + ".");
    return false;
  }
  report.Passed("EK_SUITABLE", "The endorsement key lives in a TPM and cannot leave it.");
  return true;
}

bool CheckKey(X509* certificate, const PublicArea& ek, Report& report) {
  const Result<EvpPkeyPtr> key = ToOpenssl(ek);
  const EVP_PKEY* certified = X509_get0_pubkey(certificate);
  if (certified == nullptr) {
    report.Failed("EK_CERTIFICATE_MALFORMED",
                  "The certificate's public key is of a kind that is not understood.");
    return false;
  }
  if (!key.ok() || EVP_PKEY_eq(certified, key->get()) != 1) {
    report.Failed("EK_CERTIFICATE_OF_ANOTHER_KEY",
                  "The certificate (" + ToText(X509_get_subject_name(certificate)) +
                      ") is for another key than this endorsement key.");
    return false;
  }
  report.Passed("EK_CERTIFICATE_MATCHES", "The certificate is for this endorsement key.");
  return true;
}

std::string TpmText(const TpmModel& tpm) {
  const auto part = [](const char* name, const std::string& value) {
    return std::string(name) + " " + (value.empty() ? "not said" : value);
  };
  return part("manufacturer", tpm.manufacturer) + ", " + part("model", tpm.model) + ", " +
         part("firmware", tpm.firmware);
}

void CheckPurpose(X509* certificate, const TpmModel& tpm, Report& report) {
  if (const std::string why = WhyNotForTpm(certificate); !why.empty()) {
    report.Failed("EK_CERTIFICATE_NOT_FOR_TPM",
                  "The certificate is none for an endorsement key: " + why + ".");
    return;
  }
  report.Passed("EK_CERTIFICATE_FOR_TPM",
                "The certificate is for the endorsement key of a TPM: " + TpmText(tpm) + ".");
}

struct ChainFailure {
  const char* code;
  const char* sentence;  // after "The certificate NAME "
};

ChainFailure Describe(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {"EK_CERTIFICATE_EXPIRED", "has expired"};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"EK_CERTIFICATE_NOT_YET_VALID", "is not yet valid"};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return {"EK_ROOT_UNKNOWN", "is by an issuer that is not among the vendor certificates"};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return {"EK_ROOT_UNKNOWN", "is signed by itself and not among the vendor certificates"};
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return {"EK_CERTIFICATE_FORGED", "has a signature that is not its issuer's"};
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
      return {"EK_CERTIFICATE_EXTENSION_UNKNOWN",
              "has a critical extension that is not understood"};
    case X509_V_ERR_CA_MD_TOO_WEAK:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
      return {"EK_CERTIFICATE_WEAK", "has a key, or a hash under its signature, that is too weak"};
    default:
      return {"EK_CHAIN_INVALID", "does not fit into a chain"};
  }
}

class Vendors {
 public:
  Vendors(const VendorCertificates& vendors, const std::vector<Bytes>& chain)
      : store_(X509_STORE_new()), others_(sk_X509_new_null()) {
    for (const Bytes& der : vendors) {
      Result<X509Ptr> certificate = ParseCertificate(der);
      if (!certificate.ok()) continue;
      if ((X509_get_extension_flags(certificate->get()) & EXFLAG_SS) != 0) {
        X509_STORE_add_cert(store_.get(), certificate->get());
      } else {
        AddOther(*std::move(certificate));
      }
    }
    for (std::size_t i = 0; i < std::min(chain.size(), kMaxChain); ++i) {
      Result<X509Ptr> certificate = ParseCertificate(chain[i]);
      if (certificate.ok()) {
        AddOther(*std::move(certificate));
      } else {
        ++unreadable_;
      }
    }
  }

  void Check(X509* certificate, std::time_t time, Report& report) const {
    const StoreContextPtr context(X509_STORE_CTX_new());
    if (context == nullptr ||
        X509_STORE_CTX_init(context.get(), store_.get(), certificate, others_.get()) != 1) {
      report.Failed("EK_CHAIN_INVALID", "OpenSSL cannot verify here.");
      return;
    }
    X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_time(parameters, time);
    X509_VERIFY_PARAM_set_depth(parameters, kMaxDepth);
    X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
    if (X509_verify_cert(context.get()) == 1) {
      report.Passed("EK_CERTIFICATE_TRUSTED",
                    "The certificate leads to a trusted vendor certificate: " +
                        RootName(context.get()) + ".");
      return;
    }
    Refuse(context.get(), report);
  }

 private:
  void AddOther(X509Ptr certificate) {
    if (sk_X509_push(others_.get(), certificate.get()) > 0) {
      static_cast<void>(certificate.release());
    }
  }

  static std::string RootName(X509_STORE_CTX* context) {
    const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context);
    return ToText(X509_get_subject_name(sk_X509_value(chain, sk_X509_num(chain) - 1)));
  }

  void Refuse(X509_STORE_CTX* context, Report& report) const {
    const int error = X509_STORE_CTX_get_error(context);
    const ChainFailure failure = Describe(error);
    std::string sentence = "The certificate";
    std::string found;
    if (const X509* at = X509_STORE_CTX_get_current_cert(context); at != nullptr) {
      sentence += " \"" + ToText(X509_get_subject_name(at)) + "\"";
      found = "issuer " + ToText(X509_get_issuer_name(at));
    }
    sentence +=
        std::string(" ") + failure.sentence + " (" + X509_verify_cert_error_string(error) + ").";
    if (unreadable_ > 0) {
      sentence += " " + std::to_string(unreadable_) + " of the node's own chain do not parse.";
    }
    report.Failed(failure.code, std::move(sentence), {}, std::move(found));
  }

  StorePtr store_;
  CertificatesPtr others_;
  std::size_t unreadable_ = 0;
};

Judged JudgeKey(const EndorsementKey& key, const Vendors& vendors, std::time_t time) {
  Judged judged;
  judged.ek_public = key.public_area;
  Report& report = judged.report;
  const Result<PublicArea> ek = ParsePublicArea(key.public_area);
  if (!ek.ok()) {
    report.Failed("MALFORMED", "The endorsement key: " + Message(ek.status()) + ".");
    return judged;
  }
  if (!CheckEk(*ek, report)) return judged;
  if (key.certificate.empty()) {
    report.Failed("EK_CERTIFICATE_MISSING",
                  "The node's TPM keeps no certificate of its endorsement key: nothing says who "
                  "made it.");
    return judged;
  }
  const Result<X509Ptr> certificate = ParseCertificate(key.certificate);
  if (!certificate.ok()) {
    report.Failed("EK_CERTIFICATE_MALFORMED",
                  "The endorsement key's certificate: " + Message(certificate.status()) + ".");
    return judged;
  }
  judged.tpm = ReadTpmModel(certificate->get());
  if (!CheckKey(certificate->get(), *ek, report)) return judged;
  CheckPurpose(certificate->get(), judged.tpm, report);
  vendors.Check(certificate->get(), time, report);
  return judged;
}

void CheckAk(ByteView ak_public, EndorsementVerdict& verdict, Report& report) {
  const Result<PublicArea> ak = ParsePublicArea(ak_public);
  if (!ak.ok()) {
    report.Failed("MALFORMED", "The attestation key: " + Message(ak.status()) + ".");
    return;
  }
  CheckAkSuitable(*ak, report);
  if (const Status usable = ToOpenssl(*ak).status(); !usable.ok()) {
    report.Failed("AK_UNSUITABLE", "The attestation key: " + Message(usable) + ".");
    return;
  }
  const Result<Bytes> name = NameOf(ak_public);
  if (!name.ok()) {
    report.Failed("AK_UNSUITABLE",
                  "The attestation key has no usable name: " + Message(name.status()) + ".");
    return;
  }
  verdict.ak.name = *name;
}

}  // namespace

EndorsementVerdict VerifyEndorsement(const Endorsement& endorsement,
                                     const VendorCertificates& vendors,
                                     std::chrono::system_clock::time_point time) {
  const QuietOpenssl quiet;
  const Vendors trusted(vendors, endorsement.chain);
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::optional<Judged> best;
  for (std::size_t i = 0; i < std::min(endorsement.keys.size(), kMaxKeys); ++i) {
    Judged judged = JudgeKey(endorsement.keys[i], trusted, seconds);
    if (!best || judged.report.failures() < best->report.failures()) best = std::move(judged);
    if (best->report.failures() == 0) break;
  }
  if (!best) {
    best.emplace();
    best->report.Failed("EK_MISSING", "The node offers no endorsement key.");
  }
  EndorsementVerdict verdict;
  CheckAk(endorsement.ak_public, verdict, best->report);
  verdict.tpm = std::move(best->tpm);
  verdict.ek_public = std::move(best->ek_public);
  Verdict whole = std::move(best->report).Complete({});
  verdict.trusted = whole.trusted;
  verdict.findings = std::move(whole.findings);
  return verdict;
}

Result<std::string> PublicKeyPem(ByteView public_area) {
  ASSIGN_OR_RETURN(const PublicArea area, ParsePublicArea(public_area));
  ASSIGN_OR_RETURN(const EvpPkeyPtr key, ToOpenssl(area));
  return ToPem(key.get());
}

}  // namespace seaworthy::verify
