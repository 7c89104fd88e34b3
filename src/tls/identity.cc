#include "tls/identity.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "seaworthy/tls/x509.h"
#include "tls/certificates.h"
#include "tls/subject.h"

namespace seaworthy::tls {
namespace {

// Only printable ASCII: a NUL or a line end in a name is somebody's attempt at being read as
// another.
std::optional<std::string> Printable(const char* kind, const ASN1_IA5STRING* text) {
  const std::string_view value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<std::size_t>(ASN1_STRING_length(text)));
  const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
  if (value.empty() || !std::ranges::all_of(value, printable)) return std::nullopt;
  return std::string(kind) + std::string(value);
}

std::optional<std::string> IpAddress(const ASN1_OCTET_STRING* bytes) {
  const int size = ASN1_STRING_length(bytes);
  if (size != 4 && size != 16) return std::nullopt;
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof(text));
  return "IP:" + std::string(text);
}

std::optional<std::string> ToText(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
      return Printable("DNS:", name->d.dNSName);
    case GEN_URI:
      return Printable("URI:", name->d.uniformResourceIdentifier);
    case GEN_EMAIL:
      return Printable("email:", name->d.rfc822Name);
    case GEN_IPADD:
      return IpAddress(name->d.iPAddress);
    default:
      return std::nullopt;
  }
}

}  // namespace

ClientIdentity IdentityOf(const SSL* ssl, const std::string& address) {
  ClientIdentity identity;
  identity.address = address;
  const X509* const certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return identity;
  identity.subject = ToString(X509_get_subject_name(certificate));
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names != nullptr ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count && identity.alternative_names.size() < kMaxAlternativeNames; ++i) {
    if (auto text = ToText(sk_GENERAL_NAME_value(names.get(), i))) {
      identity.alternative_names.push_back(*std::move(text));
    }
  }
  return identity;
}

}  // namespace seaworthy::tls
