#include "seaworthy/tls/x509.h"

#include "support/software_ca.h"
#include "support/status_matchers.h"

namespace seaworthy::tls {
namespace {

using ::seaworthy::testing::CertificateOptions;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::Issue;
using ::seaworthy::testing::NewEcKey;
using ::seaworthy::testing::SoftwareCa;
using ::seaworthy::testing::ToPem;
using ::seaworthy::testing::ToX509;
using std::chrono::hours;
using ::testing::HasSubstr;

Time Now() { return std::chrono::system_clock::now(); }

Subject Named(const std::string& name) {
  return {.distinguished_name = name, .dns_names = {}, .ip_addresses = {}, .uris = {}};
}

X509ReqPtr ToRequest(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509ReqPtr(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
}

class SubjectTest : public ::testing::Test {
 protected:
  // The subject that a certificate for `name` says it has.
  std::string RoundTrip(const std::string& name) {
    const auto pem = MakeSelfSigned(key_.get(), Named(name), Now(), hours(1));
    EXPECT_THAT(pem, IsOk()) << name;
    return pem.ok() ? ReadLeaf(*pem)->subject : "";
  }
  Result<std::string> Csr(const Subject& subject) { return MakeCsr(key_.get(), subject); }

  EvpPkeyPtr key_ = NewEcKey();
};

TEST_F(SubjectTest, ReadsBackAsWritten) {
  for (const std::string name :
       {"CN=node-17,O=Example", "CN=a", "CN=a\\,b\\+c,OU=x\\\\y,O=z,L=l,ST=s,C=DE",
        "DC=example,DC=org", "CN=\\ padded\\ ", "CN=\\#1", "CN=a\\=b", "CN=J\\C3\\BCrgen"}) {
    const std::string equals_unescaped = name == "CN=a\\=b" ? "CN=a=b" : name;
    EXPECT_EQ(RoundTrip(name), equals_unescaped);
  }
  EXPECT_EQ(RoundTrip("cn=node,o=Example"), "CN=node,O=Example");
  EXPECT_EQ(RoundTrip("CN=Jürgen"), "CN=J\\C3\\BCrgen");
  EXPECT_EQ(RoundTrip("serialNumber=17,CN=a"), "serialNumber=17,CN=a");
}

TEST_F(SubjectTest, RefusesMalformedNames) {
  const std::pair<std::string, std::string> cases[] = {
      {"node-17", "\"node-17\" has no \"=\""},
      {"CN=a,", "has no \"=\""},
      {",CN=a", "has no \"=\""},
      {"CN=", "the value of CN is empty"},
      {"CN=a,,O=b", "has no \"=\""},
      {"XY=a", "\"XY\" is unknown"},
      {"CN=a, O=b", "\" O\" is unknown"},
      {"2.5.4.3=a", "\"2.5.4.3\" is unknown"},
      {"CN=a+O=b", "multi-valued"},
      {"CN=#0401", "unescaped \"#\""},
      {"CN= a", "unescaped \" \" at the start"},
      {"CN=a ", "unescaped space at the end"},
      {"CN=a\"b", "unescaped \"\"\""},
      {"CN=a;b", "unescaped \";\""},
      {"CN=a<b", "unescaped \"<\""},
      {"CN=a\\", "escapes nothing"},
      {"CN=a\\z", "escapes nothing"},
      {"CN=a\\4", "escapes nothing"},
      {"CN=a\\00b", "control character"},
      {"CN=a\nb", "control character"},
      {"CN=\\FF\\FE", "value of CN"},
      {"C=Germany", "value of C"},
      {"CN=" + std::string(65, 'a'), "value of CN"},
      {"CN=" + std::string(kMaxDistinguishedName, 'a'), "more than 1024 bytes"},
  };
  for (const auto& [name, message] : cases) {
    const auto made = Csr(Named(name));
    EXPECT_THAT(made, Fails(Code::kInvalidArgument, "INVALID_SUBJECT")) << name;
    EXPECT_THAT(Message(made.status()), HasSubstr(message)) << name;
  }
}

TEST_F(SubjectTest, RefusesMalformedAlternativeNames) {
  const auto refused = [&](Subject subject, const std::string& message) {
    subject.distinguished_name = "CN=a";
    const auto made = Csr(subject);
    EXPECT_THAT(made, Fails(Code::kInvalidArgument, "INVALID_SUBJECT")) << message;
    EXPECT_THAT(Message(made.status()), HasSubstr(message));
  };
  for (const std::string name :
       {"", ".", "a.", ".a", "a..b", "-a", "a-.b", "a_b", "a b", "*", "a.*.b", "x*.b", "ä.b"}) {
    Subject subject;
    subject.dns_names = {"good.example", name};
    refused(subject, "dns_names[1] \"" + name + "\"");
  }
  for (const std::string& name : {std::string(64, 'a') + ".b", std::string(254, 'a')}) {
    Subject subject;
    subject.dns_names = {name};
    refused(subject, "dns_names[0]");
  }
  for (const std::string address : {"", "1.2.3", "1.2.3.4/24", "::g", "example", "01.2.3.4x"}) {
    Subject subject;
    subject.ip_addresses = {address};
    refused(subject, "ip_addresses[0] \"" + address + "\"");
  }
  for (const std::string uri :
       {"", "no-scheme", ":x", "urn:", "1x:y", "urn:a b", "urn:ä", "a_b:c"}) {
    Subject subject;
    subject.uris = {uri};
    refused(subject, "uris[0] \"" + uri + "\"");
  }
  Subject many;
  many.dns_names.assign(kMaxAlternativeNames + 1, "a");
  refused(many, "more than 64");
}

TEST_F(SubjectTest, EmptyNameNeedsAnAlternativeName) {
  EXPECT_THAT(Csr(Named("")), Fails(Code::kInvalidArgument, "INVALID_SUBJECT"));
  Subject subject;
  subject.dns_names = {"*.example.org"};
  const auto made = Csr(subject);
  ASSERT_THAT(made, IsOk());
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(ToRequest(*made).get());
  ASSERT_EQ(sk_X509_EXTENSION_num(extensions), 1);
  EXPECT_EQ(X509_EXTENSION_get_critical(sk_X509_EXTENSION_value(extensions, 0)), 1);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

TEST_F(SubjectTest, CsrCarriesTheNames) {
  const auto made = Csr({.distinguished_name = "CN=a",
                         .dns_names = {"a.example"},
                         .ip_addresses = {"192.0.2.7", "2001:db8::1"},
                         .uris = {"spiffe://example/a"}});
  ASSERT_THAT(made, IsOk());
  const X509ReqPtr request = ToRequest(*made);
  EXPECT_EQ(X509_REQ_verify(request.get(), key_.get()), 1);
  const BioPtr text(BIO_new(BIO_s_mem()));
  X509_REQ_print(text.get(), request.get());
  EXPECT_THAT(testing::BioText(text.get()),
              HasSubstr("DNS:a.example, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1, "
                        "URI:spiffe://example/a"));
}

TEST(SelfSignedTest, IsAServerCertificate) {
  const EvpPkeyPtr key = NewEcKey();
  Subject subject = Named("CN=node");
  subject.dns_names = {"node"};
  const Time now = Now();
  const auto pem = MakeSelfSigned(key.get(), subject, now, hours(48));
  ASSERT_THAT(pem, IsOk());
  const X509Ptr certificate = ToX509(*pem);
  EXPECT_EQ(X509_verify(certificate.get(), key.get()), 1);
  EXPECT_EQ(X509_check_ca(certificate.get()), 0);
  EXPECT_EQ(X509_get_key_usage(certificate.get()), unsigned{KU_DIGITAL_SIGNATURE});
  EXPECT_EQ(X509_get_extended_key_usage(certificate.get()), unsigned{XKU_SSL_SERVER});
  EXPECT_NE(X509_get0_subject_key_id(certificate.get()), nullptr);
  EXPECT_EQ(X509_check_host(certificate.get(), "node", 0, 0, nullptr), 1);
  const auto info = ReadLeaf(*pem);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->serial_hex.size(), 32U);
  EXPECT_NE(info->serial_hex,
            ReadLeaf(*MakeSelfSigned(key.get(), subject, now, hours(1)))->serial_hex);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  EXPECT_EQ(info->not_before, seconds - std::chrono::minutes(5));
  EXPECT_EQ(info->not_after, seconds + hours(48));
  const std::string public_pem = PublicKeyPem(info->subject_public_key_info);
  const BioPtr bio(BIO_new_mem_buf(public_pem.data(), static_cast<int>(public_pem.size())));
  const EvpPkeyPtr read(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(EVP_PKEY_eq(read.get(), key.get()), 1);
}

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() {
    CertificateOptions ca;
    ca.common_name = "Intermediate";
    ca.is_ca = true;
    intermediate_ = root_.Certify(intermediate_key_.get(), ca);
    leaf_ = Leaf({});
  }
  std::string Leaf(const CertificateOptions& options) {
    return ToPem(
        Issue(NewEcKey().get(), intermediate_.get(), intermediate_key_.get(), options).get());
  }

  SoftwareCa root_{"Root"};
  EvpPkeyPtr intermediate_key_ = NewEcKey();
  X509Ptr intermediate_;
  std::string leaf_;
};

TEST_F(ChainTest, TakesWholeAndPartialChains) {
  for (const std::string& chain : {leaf_, leaf_ + ToPem(intermediate_.get()),
                                   "Certificate:\n    Data:\n" + leaf_ + "\nsome text\n" +
                                       ToPem(intermediate_.get()) + root_.pem() + "the end\n"}) {
    const auto info = CheckChain(chain, Now());
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ(info->subject, "CN=test");
    EXPECT_EQ(info->issuer, "CN=Intermediate");
  }
}

TEST_F(ChainTest, RefusesBrokenChains) {
  EXPECT_THAT(CheckChain(ToPem(intermediate_.get()) + leaf_, Now()),
              Fails(Code::kInvalidArgument, "CHAIN_BROKEN"));
  const auto skipped = CheckChain(leaf_ + root_.pem(), Now());
  EXPECT_THAT(skipped, Fails(Code::kInvalidArgument, "CHAIN_BROKEN"));
  EXPECT_THAT(Message(skipped.status()), HasSubstr("certificate 1 is not signed by certificate 2"));
  // The right name on the wrong key.
  const SoftwareCa impostor("Root");
  const auto forged = CheckChain(leaf_ + ToPem(intermediate_.get()) + impostor.pem(), Now());
  EXPECT_THAT(forged, Fails(Code::kInvalidArgument, "CHAIN_BROKEN"));
  EXPECT_THAT(Message(forged.status()), HasSubstr("certificate 2 is not signed by certificate 3"));
}

TEST_F(ChainTest, RefusesWhatIsNotInDate) {
  CertificateOptions expired;
  expired.not_after = std::time(nullptr) - 10;
  const auto late = CheckChain(Leaf(expired) + ToPem(intermediate_.get()), Now());
  EXPECT_THAT(late, Fails(Code::kInvalidArgument, "CERTIFICATE_EXPIRED"));
  EXPECT_THAT(Message(late.status()), HasSubstr("certificate 1"));
  CertificateOptions future;
  future.not_before = std::time(nullptr) + 1000;
  EXPECT_THAT(CheckChain(Leaf(future), Now()),
              Fails(Code::kInvalidArgument, "CERTIFICATE_NOT_YET_VALID"));
  const auto far = CheckChain(leaf_ + ToPem(intermediate_.get()), Now() + hours(24 * 365));
  EXPECT_THAT(far, Fails(Code::kInvalidArgument, "CERTIFICATE_EXPIRED"));
}

TEST_F(ChainTest, RefusesWhatAreNoCertificates) {
  const auto refused = [](const std::string& pem, const std::string& message) {
    const auto checked = CheckChain(pem, Now());
    EXPECT_THAT(checked, Fails(Code::kInvalidArgument, "INVALID_CERTIFICATE")) << message;
    EXPECT_THAT(Message(checked.status()), HasSubstr(message));
  };
  refused("", "no PEM certificate");
  refused("just text", "no PEM certificate");
  refused(leaf_ + ToPem(NewEcKey().get()), "PEM block 2 is a private key");
  refused(PublicKeyPem(ReadLeaf(leaf_)->subject_public_key_info) + leaf_,
          "PEM block 1 is a \"PUBLIC KEY\"");
  refused(leaf_ + leaf_.substr(0, leaf_.size() / 2), "PEM block 2 cannot be read");
  std::string damaged = leaf_;
  damaged[damaged.find('\n') + 1] = '!';
  refused(damaged, "PEM block 1 cannot be read");
  refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no X.509 certificate");
  std::string long_chain;
  for (std::size_t i = 0; i <= kMaxChainLength; ++i) long_chain += leaf_;
  refused(long_chain, "more than 10");
  refused(std::string(kMaxChainBytes + 1, ' '), "at most 65536");
}

TEST_F(ChainTest, DatesBeyondTheClockAreItsEnd) {
  CertificateOptions device;
  device.not_after = 253402300799;  // 99991231235959Z, RFC 5280, 4.1.2.5
  const auto info = CheckChain(Leaf(device), Now());
  ASSERT_THAT(info, IsOk());
  EXPECT_GT(info->not_after, Now() + hours(24 * 365 * 100));
}

}  // namespace
}  // namespace seaworthy::tls
