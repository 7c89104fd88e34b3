#include "ctl/judgement.h"

#include <openssl/pem.h>

#include <algorithm>
#include <utility>

#include "ctl/arguments.h"
#include "seaworthy/tls/openssl.h"

namespace seaworthy::ctl {
namespace {

constexpr std::string_view kNameLine = "TPM name: ";

// TPM_ALG_ID of the bank, TPM 2.0 part 2, 6.3.
std::uint16_t AlgorithmId(v1::HashAlgorithm bank) {
  switch (bank) {
    case v1::SHA1:
      return 0x0004;
    case v1::SHA256:
      return 0x000b;
    case v1::SHA384:
      return 0x000c;
    case v1::SHA512:
      return 0x000d;
    default:
      return 0;
  }
}

verify::Finding Compare(const verify::Evidence& evidence, const v1::PcrValue& expected) {
  const std::string pcr = "PCR " + std::to_string(expected.index()) + " of the " +
                          FormatHash(expected.bank()) + " bank";
  const std::string wanted = Hex(AsBytes(expected.digest()));
  for (const verify::PcrValue& value : evidence.pcrs) {
    if (value.bank != AlgorithmId(expected.bank()) || value.index != expected.index()) continue;
    const std::string found = Hex(value.digest);
    if (found == wanted) {
      return {"PCR_AS_EXPECTED", verify::Severity::kInfo, "", "", pcr + " has the expected value."};
    }
    return {"PCR_UNEXPECTED", verify::Severity::kFailure, wanted, found,
            pcr + " has not the expected value."};
  }
  return {"PCR_MISSING", verify::Severity::kFailure, wanted, "", pcr + " is not in the evidence."};
}

void Refuse(verify::Verdict& verdict, verify::Finding finding) {
  verdict.trusted = false;
  verdict.keys.clear();
  verdict.findings.push_back(std::move(finding));
}

tls::BioPtr Reader(std::string_view text) {
  return tls::BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

template <class Encode>
Result<Bytes> ToDer(Encode encode) {
  const int size = encode(nullptr);
  if (size <= 0) return Fail(Code::kInvalidArgument, "MALFORMED", "encode public key");
  Bytes der(static_cast<std::size_t>(size));
  unsigned char* end = der.data();
  encode(&end);
  return der;
}

}  // namespace

Result<verify::EnrolledKey> ParseEnrolledKey(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.substr(0, kNameLine.size()) != kNameLine) continue;
    Result<Bytes> name = ParseHex(line.substr(kNameLine.size()));
    if (!name.ok()) return Wrap(name.status(), "the line \"TPM name:\"");
    return verify::EnrolledKey{*std::move(name)};
  }
  return Fail(Code::kInvalidArgument, "USAGE",
              "has no line \"TPM name: HEX\"; seaworthyctl ak --out writes such a file");
}

verify::Verdict ExpectPcrs(verify::Verdict verdict, const verify::Evidence& evidence,
                           const std::vector<v1::PcrValue>& expected) {
  // Nothing vouches for the values of evidence that is not trusted: none is called good then.
  const bool vouched = verdict.trusted;
  for (const v1::PcrValue& value : expected) {
    verify::Finding finding = Compare(evidence, value);
    const bool failed = finding.severity == verify::Severity::kFailure;
    if (failed) {
      Refuse(verdict, std::move(finding));
    } else if (vouched) {
      verdict.findings.push_back(std::move(finding));
    }
  }
  return verdict;
}

verify::Verdict ExpectKeys(verify::Verdict verdict, const std::vector<ExpectedKey>& expected) {
  if (!verdict.trusted) return verdict;
  const verify::Verdict judged = verdict;
  for (const ExpectedKey& key : expected) {
    if (verify::IsProven(judged, key.subject_public_key_info)) {
      verdict.findings.push_back({"KEY_MATCHES", verify::Severity::kInfo, "", "",
                                  "The key of " + key.file + " is one of the certified keys."});
    } else {
      Refuse(verdict, {"KEY_NOT_CERTIFIED", verify::Severity::kFailure, "", "",
                       "The key of " + key.file + " is not among the certified keys."});
    }
  }
  return verdict;
}

verify::Verdict Distrust(std::string_view code, std::string_view sentence) {
  verify::Verdict verdict;
  verdict.findings.push_back(
      {std::string(code), verify::Severity::kFailure, "", "", std::string(sentence)});
  return verdict;
}

Result<Bytes> PublicKeyOf(std::string_view pem) {
  const tls::BioPtr bio = Reader(pem);
  const tls::EvpPkeyPtr key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) {
    return Fail(Code::kInvalidArgument, "MALFORMED", "not a PEM public key");
  }
  return ToDer([&](unsigned char** end) { return i2d_PUBKEY(key.get(), end); });
}

Result<Bytes> PublicKeyOfCsr(std::string_view pem) {
  const tls::BioPtr bio = Reader(pem);
  const tls::X509ReqPtr csr(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (csr == nullptr) {
    return Fail(Code::kInvalidArgument, "MALFORMED", "not a PKCS#10 request in PEM");
  }
  EVP_PKEY* const key = X509_REQ_get0_pubkey(csr.get());
  if (key == nullptr || X509_REQ_verify(csr.get(), key) != 1) {
    return Fail(Code::kPermissionDenied, "CSR_SIGNATURE_INVALID",
                "the request is not signed by the key in it");
  }
  X509_PUBKEY* const encoded = X509_REQ_get_X509_PUBKEY(csr.get());
  return ToDer([&](unsigned char** end) { return i2d_X509_PUBKEY(encoded, end); });
}

std::string ToPem(ByteView subject_public_key_info) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  const char* text = nullptr;
  if (bio == nullptr ||
      PEM_write_bio(bio.get(), PEM_STRING_PUBLIC, "", subject_public_key_info.data(),
                    static_cast<long>(subject_public_key_info.size())) <= 0) {
    return {};
  }
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace seaworthy::ctl
