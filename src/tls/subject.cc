#include "tls/subject.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <utility>

#include "seaworthy/status_macros.h"

namespace seaworthy::tls {
namespace {

Status Invalid(const std::string& message) {
  return Fail(Code::kInvalidArgument, "INVALID_SUBJECT", message);
}

Status InvalidName(const std::string& message) { return Invalid("distinguished_name: " + message); }

bool IsAlnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool IsAlpha(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool IsControl(char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }

// RFC 4514's table and what certificates of devices have besides.
struct Attribute {
  std::string_view name;
  int nid;
};
constexpr std::array kAttributes = {
    Attribute{"CN", NID_commonName},
    Attribute{"L", NID_localityName},
    Attribute{"ST", NID_stateOrProvinceName},
    Attribute{"O", NID_organizationName},
    Attribute{"OU", NID_organizationalUnitName},
    Attribute{"C", NID_countryName},
    Attribute{"STREET", NID_streetAddress},
    Attribute{"DC", NID_domainComponent},
    Attribute{"UID", NID_userId},
    Attribute{"serialNumber", NID_serialNumber},
    Attribute{"emailAddress", NID_pkcs9_emailAddress},
};

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

Result<int> FindAttribute(std::string_view name) {
  for (const Attribute& attribute : kAttributes) {
    if (EqualIgnoringCase(attribute.name, name)) return attribute.nid;
  }
  return InvalidName("the attribute \"" + std::string(name) + "\" is unknown");
}

class DistinguishedNameParser {
 public:
  explicit DistinguishedNameParser(std::string_view text) : text_(text) {}

  Result<X509NamePtr> Parse() {
    X509NamePtr name(X509_NAME_new());
    if (text_.empty()) return name;
    while (true) {
      RETURN_IF_ERROR(ParseRdn(name.get()));
      if (at_ == text_.size()) return name;
      ++at_;  // the comma
    }
  }

 private:
  Status ParseRdn(X509_NAME* name) {
    const std::size_t equals = text_.find_first_of("=,+", at_);
    if (equals == std::string_view::npos || text_[equals] != '=') {
      return InvalidName("\"" + std::string(text_.substr(at_, equals - at_)) + "\" has no \"=\"");
    }
    const std::string_view type = text_.substr(at_, equals - at_);
    ASSIGN_OR_RETURN(const int nid, FindAttribute(type));
    at_ = equals + 1;
    ASSIGN_OR_RETURN(const std::string value, ParseValue(type));
    // The text has the most significant RDN last, DER has it first: hence position 0.
    if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(value.data()),
                                   static_cast<int>(value.size()), 0, 0) != 1) {
      return FromOpenssl(Code::kInvalidArgument, "INVALID_SUBJECT",
                         "distinguished_name: the value of " + std::string(type));
    }
    return {};
  }

  // Up to a comma or the end.
  Result<std::string> ParseValue(std::string_view type) {
    const std::string of = " in the value of " + std::string(type);
    std::string value;
    bool trailing_space = false;
    if (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '#')) {
      return InvalidName("an unescaped \"" + std::string(1, text_[at_]) + "\" at the start" + of);
    }
    for (; at_ < text_.size() && text_[at_] != ','; ++at_) {
      char c = text_[at_];
      trailing_space = c == ' ';
      if (c == '+') return InvalidName("multi-valued RDNs (\"+\") are not supported");
      if (c == '"' || c == ';' || c == '<' || c == '>') {
        return InvalidName("an unescaped \"" + std::string(1, c) + "\"" + of);
      }
      if (c == '\\') {
        ASSIGN_OR_RETURN(c, ParseEscape(of));
      }
      if (IsControl(c)) return InvalidName("a control character" + of);
      value += c;
    }
    if (trailing_space) return InvalidName("an unescaped space at the end" + of);
    if (value.empty()) return InvalidName("the value of " + std::string(type) + " is empty");
    return value;
  }

  // At a backslash; leaves at_ on the last character of the escape.
  Result<char> ParseEscape(const std::string& of) {
    constexpr std::string_view kEscapable = " \"#+,;<=>\\";
    if (at_ + 1 < text_.size() && kEscapable.find(text_[at_ + 1]) != std::string_view::npos) {
      return text_[++at_];
    }
    const auto byte = at_ + 2 < text_.size() ? ParseHex(text_.substr(at_ + 1, 2))
                                             : Result<Bytes>(InvalidName(""));
    if (!byte.ok()) return InvalidName("a \"\\\" that escapes nothing" + of);
    at_ += 2;
    return static_cast<char>(byte->front());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// What is wrong with the name, if anything.
std::optional<std::string> CheckDnsName(std::string_view name) {
  if (name.empty() || name.size() > 253) return "must have 1 to 253 characters";
  bool first = true;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    const bool wildcard = first && label == "*";
    if (wildcard && dot == std::string_view::npos) return "is a bare wildcard";
    if (!wildcard) {
      if (label.empty() || label.size() > 63) return "has a label without 1 to 63 characters";
      if (label.front() == '-' || label.back() == '-') return "has a label with \"-\" at its end";
      for (const char c : label) {
        if (!IsAlnum(c) && c != '-') {
          return "may have letters, digits and \"-\" in its labels (and \"*\" alone as the first)";
        }
      }
    }
    if (dot == std::string_view::npos) return std::nullopt;
    name.remove_prefix(dot + 1);
    first = false;
  }
}

std::optional<std::string> CheckUri(std::string_view uri) {
  if (uri.empty() || uri.size() > 1024) return "must have 1 to 1024 characters";
  for (const char c : uri) {
    if (c <= ' ' || c >= 0x7f) return "may have printable ASCII characters alone, without spaces";
  }
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon + 1 == uri.size() || !IsAlpha(uri.front())) {
    return "must be an absolute URI, \"scheme:...\"";
  }
  for (const char c : uri.substr(0, colon)) {
    if (!IsAlnum(c) && c != '+' && c != '-' && c != '.') return "has a malformed scheme";
  }
  return std::nullopt;
}

// The 4 or 16 bytes of an address; empty when it is none.
Bytes ParseAddress(const std::string& text) {
  Bytes bytes(16);
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
  return {};
}

using Asn1StringPtr = CPtr<ASN1_STRING, ASN1_STRING_free>;

Status Append(GENERAL_NAMES* names, int type, ByteView value) {
  Asn1StringPtr text(
      ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING));
  CPtr<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  if (text == nullptr || name == nullptr ||
      ASN1_STRING_set(text.get(), value.data(), static_cast<int>(value.size())) != 1) {
    return FromOpenssl(Code::kInternal, "OPENSSL_FAILED", "subjectAltName");
  }
  GENERAL_NAME_set0_value(name.get(), type, text.release());
  if (sk_GENERAL_NAME_push(names, name.get()) == 0) {
    return FromOpenssl(Code::kInternal, "OPENSSL_FAILED", "subjectAltName");
  }
  static_cast<void>(name.release());  // the stack owns it now
  return {};
}

std::string Entry(const char* field, std::size_t index, const std::string& value) {
  return std::string(field) + "[" + std::to_string(index) + "] \"" + value + "\" ";
}

}  // namespace

Result<X509NamePtr> ParseDistinguishedName(std::string_view text) {
  if (text.size() > kMaxDistinguishedName) {
    return InvalidName("has more than " + std::to_string(kMaxDistinguishedName) + " bytes");
  }
  ERR_clear_error();
  return DistinguishedNameParser(text).Parse();
}

Result<GeneralNamesPtr> MakeAlternativeNames(const Subject& subject) {
  const std::size_t count =
      subject.dns_names.size() + subject.ip_addresses.size() + subject.uris.size();
  if (count == 0) return GeneralNamesPtr();
  if (count > kMaxAlternativeNames) {
    return Invalid("there are more than " + std::to_string(kMaxAlternativeNames) +
                   " alternative names");
  }
  GeneralNamesPtr names(GENERAL_NAMES_new());
  for (std::size_t i = 0; i < subject.dns_names.size(); ++i) {
    const std::string& name = subject.dns_names[i];
    if (const auto wrong = CheckDnsName(name)) return Invalid(Entry("dns_names", i, name) + *wrong);
    RETURN_IF_ERROR(Append(names.get(), GEN_DNS, AsBytes(name)));
  }
  for (std::size_t i = 0; i < subject.ip_addresses.size(); ++i) {
    const std::string& text = subject.ip_addresses[i];
    const Bytes address = ParseAddress(text);
    // inet_pton stops at a NUL inside, so the text must also be free of them.
    if (address.empty() || text.find('\0') != std::string::npos) {
      return Invalid(Entry("ip_addresses", i, text) + "is no IPv4 or IPv6 address");
    }
    RETURN_IF_ERROR(Append(names.get(), GEN_IPADD, address));
  }
  for (std::size_t i = 0; i < subject.uris.size(); ++i) {
    const std::string& uri = subject.uris[i];
    if (const auto wrong = CheckUri(uri)) return Invalid(Entry("uris", i, uri) + *wrong);
    RETURN_IF_ERROR(Append(names.get(), GEN_URI, AsBytes(uri)));
  }
  return names;
}

}  // namespace seaworthy::tls
