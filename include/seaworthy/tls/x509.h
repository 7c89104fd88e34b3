// Certificates and certificate requests, as PEM text in and out. Signing goes through EVP, so
// a TPM key and a software key are alike here.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/tls/openssl.h"

namespace seaworthy::tls {

using Time = std::chrono::system_clock::time_point;

struct Subject {
  std::string distinguished_name;  // RFC 4514, "CN=node-17,O=Example"
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;
};

inline constexpr std::size_t kMaxDistinguishedName = 1024;
inline constexpr std::size_t kMaxAlternativeNames = 64;
inline constexpr std::size_t kMaxChainBytes = 64 * 1024;
inline constexpr std::size_t kMaxChainLength = 10;

// PKCS#10 request with the names as subjectAltName, signed by `key` with the digest that
// fits it. INVALID_ARGUMENT (INVALID_SUBJECT) names the field and entry that is wrong.
Result<std::string> MakeCsr(EVP_PKEY* key, const Subject& subject);

// A certificate for `key` by itself, for TLS servers, valid from five minutes before `now`.
Result<std::string> MakeSelfSigned(EVP_PKEY* key, const Subject& subject, Time now,
                                   std::chrono::hours lifetime);

struct CertificateInfo {
  std::string subject;  // RFC 4514
  std::string issuer;
  std::string serial_hex;
  Time not_before;
  Time not_after;
  Bytes subject_public_key_info;  // DER
};

// The leaf of a PEM chain.
Result<CertificateInfo> ReadLeaf(std::string_view chain_pem);

// Whether `chain_pem` (leaf first) can be installed: parses, is within the caps, is in date at
// `now` and each certificate is signed by the next. INVALID_ARGUMENT with reasons
// INVALID_CERTIFICATE, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID or CHAIN_BROKEN; says
// which certificate, counting from 1. Text outside of PEM blocks is ignored, blocks that are
// no certificates are refused. Returns the leaf.
Result<CertificateInfo> CheckChain(std::string_view chain_pem, Time now);

std::string PublicKeyPem(ByteView subject_public_key_info);

}  // namespace seaworthy::tls
