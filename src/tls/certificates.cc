#include "tls/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <memory>
#include <string>
#include <utility>

namespace seaworthy::tls {
namespace {

constexpr char kInvalid[] = "INVALID_CERTIFICATE";

struct OpensslFree {
  void operator()(void* memory) const { OPENSSL_free(memory); }
};
template <class T>
using OpensslMemory = std::unique_ptr<T, OpensslFree>;

struct PemBlock {
  OpensslMemory<char> type;
  OpensslMemory<char> header;
  OpensslMemory<unsigned char> data;
  long size = 0;
};

// False at the end of the text.
Result<bool> ReadBlock(BIO* bio, std::size_t number, PemBlock& block) {
  char* type = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  if (PEM_read_bio(bio, &type, &header, &data, &block.size) == 1) {
    block.type.reset(type);
    block.header.reset(header);
    block.data.reset(data);
    return true;
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
    ERR_clear_error();
    return false;
  }
  return FromOpenssl(Code::kInvalidArgument, kInvalid,
                     "PEM block " + std::to_string(number) + " cannot be read");
}

Result<X509Ptr> ToCertificate(const PemBlock& block, std::size_t number) {
  const std::string name = "PEM block " + std::to_string(number);
  const std::string_view type = block.type.get();
  if (type.find("PRIVATE KEY") != std::string_view::npos) {
    return Fail(Code::kInvalidArgument, kInvalid,
                name + " is a private key; give certificates only and keep the key where it is");
  }
  if (type != "CERTIFICATE") {
    return Fail(Code::kInvalidArgument, kInvalid,
                name + " is a \"" + std::string(type) + "\" and not a CERTIFICATE");
  }
  const unsigned char* cursor = block.data.get();
  X509Ptr certificate(d2i_X509(nullptr, &cursor, block.size));
  if (certificate == nullptr) {
    return FromOpenssl(Code::kInvalidArgument, kInvalid, name + " is no X.509 certificate");
  }
  if (cursor != block.data.get() + block.size) {
    return Fail(Code::kInvalidArgument, kInvalid, name + " has bytes after its certificate");
  }
  return certificate;
}

}  // namespace

Result<std::vector<X509Ptr>> ParseCertificates(std::string_view pem, const CertificateCaps& caps) {
  if (pem.size() > caps.bytes) {
    return Fail(Code::kInvalidArgument, kInvalid,
                "the certificates have " + std::to_string(pem.size()) + " bytes; at most " +
                    std::to_string(caps.bytes) + " are taken");
  }
  ERR_clear_error();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<X509Ptr> certificates;
  while (true) {
    PemBlock block;
    auto found = ReadBlock(bio.get(), certificates.size() + 1, block);
    if (!found.ok()) return found.status();
    if (!*found) break;
    if (certificates.size() == caps.count) {
      return Fail(Code::kInvalidArgument, kInvalid,
                  "there are more than " + std::to_string(caps.count) + " certificates");
    }
    auto certificate = ToCertificate(block, certificates.size() + 1);
    if (!certificate.ok()) return certificate.status();
    certificates.push_back(*std::move(certificate));
  }
  if (certificates.empty()) {
    return Fail(Code::kInvalidArgument, kInvalid, "there is no PEM certificate");
  }
  return certificates;
}

Result<std::time_t> ToSeconds(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return FromOpenssl(Code::kInvalidArgument, kInvalid, "a date is malformed");
  }
  return timegm(&parts);
}

Status CheckInDate(const X509* certificate, std::time_t now, std::string_view name) {
  const auto not_before = ToSeconds(X509_get0_notBefore(certificate));
  if (!not_before.ok()) return Wrap(not_before.status(), name);
  const auto not_after = ToSeconds(X509_get0_notAfter(certificate));
  if (!not_after.ok()) return Wrap(not_after.status(), name);
  if (now < *not_before) {
    return Fail(Code::kInvalidArgument, "CERTIFICATE_NOT_YET_VALID",
                std::string(name) + " is not yet valid");
  }
  if (now > *not_after) {
    return Fail(Code::kInvalidArgument, "CERTIFICATE_EXPIRED", std::string(name) + " has expired");
  }
  return {};
}

std::string ToString(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace seaworthy::tls
