// Who is let in and who is refused.
#include <openssl/rand.h>

#include "unit/tls/front_fixture.h"

namespace seaworthy::tls {
namespace {

using namespace seaworthy::testing;  // NOLINT: the fixture and its like
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class FrontHandshakeTest : public FrontFixture {
 protected:
  // The client was refused with this alert, and the owner was told this reason.
  void ExpectRefused(const ClientOptions& options, int alert, const std::string& reason) {
    const auto client = Client(options);
    EXPECT_FALSE(client->Echo());
    EXPECT_EQ(client->alert(), alert) << ERR_reason_error_string(
        ERR_PACK(ERR_LIB_SSL, 0, static_cast<unsigned>(client->alert())));
    EXPECT_EQ(NextRefusal(), reason);
    EXPECT_THAT(last_refusal_.address, StartsWith("127.0.0.1:"));
    EXPECT_NE(last_refusal_.message, "");
  }
  void ExpectCertificateRefused(const SoftwareCa& ca, const CertificateOptions& certificate,
                                int alert, const std::string& reason) {
    const X509Ptr issued = ca.Certify(client_key_.get(), certificate);
    ExpectRefused({.certificate = issued.get(), .key = client_key_.get()}, alert, reason);
  }
};

TEST_F(FrontHandshakeTest, LetsAClientInAndTellsWhoItIs) {
  StartFront();
  const auto client = Client(Good());
  ASSERT_TRUE(client->Echo());
  EXPECT_EQ(SSL_version(client->ssl()), TLS1_3_VERSION);
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(client->ssl(), &protocol, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(protocol), size), "h2");
  const std::scoped_lock lock(mutex_);
  ASSERT_EQ(identities_.size(), 1U);
  EXPECT_THAT(
      identities_[0].alternative_names,
      ElementsAre("DNS:op.example", "URI:urn:x:op", "IP:192.0.2.9", "email:op@example.org"));
  EXPECT_EQ(identities_[0].subject, "CN=operator");
  EXPECT_THAT(identities_[0].address, StartsWith("127.0.0.1:"));
  EXPECT_TRUE(refused_.empty());
}

TEST_F(FrontHandshakeTest, RefusesEachBadClientForItsReason) {
  StartFront();
  ExpectRefused({}, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "NO_CLIENT_CERTIFICATE");
  ExpectCertificateRefused(SoftwareCa("Foreign"), {}, SSL_R_TLSV1_ALERT_UNKNOWN_CA, "UNKNOWN_CA");
  // The same name as the client CA's, with another key.
  ExpectCertificateRefused(SoftwareCa(), {}, SSL_R_TLSV1_ALERT_DECRYPT_ERROR, "UNKNOWN_CA");
  CertificateOptions expired;
  expired.not_after = std::time(nullptr) - 10;
  ExpectCertificateRefused(ca_, expired, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
                           "CERTIFICATE_EXPIRED");
  CertificateOptions future;
  future.not_before = std::time(nullptr) + 1000;
  ExpectCertificateRefused(ca_, future, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
                           "CERTIFICATE_NOT_YET_VALID");
  const auto client = Client(Good());
  EXPECT_TRUE(client->Echo());
  const std::scoped_lock lock(mutex_);
  EXPECT_EQ(identities_.size(), 1U);
}

TEST_F(FrontHandshakeTest, RefusesASelfSignedClient) {
  StartFront();
  const X509Ptr own = Issue(client_key_.get(), nullptr, nullptr, {});
  ExpectRefused({.certificate = own.get(), .key = client_key_.get()}, SSL_R_TLSV1_ALERT_UNKNOWN_CA,
                "UNKNOWN_CA");
}

TEST_F(FrontHandshakeTest, RefusesAnOldVersionUnlessAllowed) {
  StartFront();
  ClientOptions old = Good();
  old.version = TLS1_2_VERSION;
  ExpectRefused(old, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "PROTOCOL_VERSION");
  StartFront(Generous(), TLS1_2_VERSION);
  const auto client = Client(old);
  EXPECT_TRUE(client->Echo());
  EXPECT_THAT(SSL_get_cipher_name(client->ssl()), StartsWith("ECDHE-"));
}

TEST_F(FrontHandshakeTest, SpeaksH2OrNothingNamed) {
  StartFront();
  ClientOptions options = Good();
  options.alpn = "http/1.1";
  ExpectRefused(options, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, "HANDSHAKE_FAILED");
  options.alpn = "";
  EXPECT_TRUE(Client(options)->Echo());
}

TEST_F(FrontHandshakeTest, OwnerMayRefuse) {
  StartFront();
  connect_status_ = Fail(Code::kPermissionDenied, "NO_ROLE", "this client has no role");
  const auto client = Client(Good());
  EXPECT_FALSE(client->Echo());
  EXPECT_TRUE(client->EndedCleanly());
  EXPECT_EQ(NextRefusal(), "NO_ROLE");
  EXPECT_EQ(last_refusal_.message, "this client has no role");
}

TEST_F(FrontHandshakeTest, RefusesWhatIsNoTls) {
  StartFront();
  const UniqueFd fd = TcpConnect(front_->port());
  ASSERT_EQ(send(fd.get(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
  EXPECT_EQ(NextRefusal(), "HANDSHAKE_FAILED");
}

class ResumptionTest : public FrontHandshakeTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override { StartFront(Generous(), TLS1_2_VERSION); }
  ClientOptions Options() {
    ClientOptions options = Good();
    options.version = GetParam();
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, ResumptionTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& test) {
                           return test.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(ResumptionTest, KnownClientsResumeWithTheSameIdentity) {
  const auto first = Client(Options());
  ASSERT_TRUE(first->Echo());
  EXPECT_FALSE(first->resumed());
  ClientOptions options = Options();
  SessionPtr session = first->session();
  for (int i = 0; i < 3; ++i) {
    options.session = session.get();
    const auto again = Client(options);
    ASSERT_TRUE(again->Echo());
    EXPECT_TRUE(again->resumed());
    session = again->session();
  }
  const std::scoped_lock lock(mutex_);
  ASSERT_EQ(identities_.size(), 4U);
  EXPECT_EQ(identities_[3].alternative_names, identities_[0].alternative_names);
  EXPECT_EQ(identities_[3].subject, "CN=operator");
}

TEST_P(ResumptionTest, NotAfterTheClientsCertificateExpired) {
  CertificateOptions brief;
  brief.not_after = std::time(nullptr) + 2;
  const X509Ptr certificate = ca_.Certify(client_key_.get(), brief);
  ClientOptions options = Options();
  options.certificate = certificate.get();
  const auto first = Client(options);
  ASSERT_TRUE(first->Echo());
  const SessionPtr session = first->session();
  options.session = session.get();
  int resumed = 0;
  auto last = Client(options);
  for (; last->Echo(); last = Client(options)) {
    EXPECT_TRUE(last->resumed());
    ++resumed;
    ASSERT_LT(std::time(nullptr), brief.not_after + 5);
    poll(nullptr, 0, 20);
  }
  EXPECT_GT(resumed, 0);
  EXPECT_GE(std::time(nullptr), brief.not_after);
  EXPECT_EQ(last->alert(), SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED);
  EXPECT_EQ(NextRefusal(), "CERTIFICATE_EXPIRED");
}

TEST_P(ResumptionTest, NotAfterAReload) {
  const auto first = Client(Options());
  ASSERT_TRUE(first->Echo());
  const SessionPtr session = first->session();
  const X509Ptr before(SSL_get1_peer_certificate(first->ssl()));
  ASSERT_THAT(front_->Reload(Credentials(TLS1_2_VERSION)), IsOk());
  ClientOptions options = Options();
  options.session = session.get();
  const auto second = Client(options);
  ASSERT_TRUE(second->Echo());
  EXPECT_FALSE(second->resumed());
  const X509Ptr after(SSL_get1_peer_certificate(second->ssl()));
  EXPECT_NE(X509_cmp(before.get(), after.get()), 0);
  EXPECT_TRUE(first->Echo());  // established before, goes on
}

TEST_F(FrontHandshakeTest, ReloadRefusesBadCredentialsAndKeepsTheOld) {
  StartFront();
  const auto refused = [&](auto spoil, const std::string& reason) {
    Front::Credentials credentials = Credentials();
    spoil(credentials);
    EXPECT_THAT(front_->Reload(std::move(credentials)), Fails(Code::kInvalidArgument, reason));
  };
  refused([](auto& c) { c.key = NewEcKey(); }, "CERTIFICATE_KEY_MISMATCH");
  refused([](auto& c) { c.key = nullptr; }, "CERTIFICATE_KEY_MISMATCH");
  refused([](auto& c) { c.certificate_chain_pem = "x"; }, "INVALID_CERTIFICATE");
  refused([](auto& c) { c.client_ca_pem = ""; }, "INVALID_CERTIFICATE");
  refused([](auto& c) { c.client_ca_pem = c.certificate_chain_pem; }, "INVALID_CERTIFICATE");
  refused([](auto& c) { c.min_version = TLS1_VERSION; }, "INVALID_TLS_VERSION");
  EXPECT_TRUE(Client(Good())->Echo());
}

TEST_F(FrontHandshakeTest, TrustsAnIntermediateClientCaAlone) {
  StartFront();
  const EvpPkeyPtr key = NewEcKey();
  SoftwareCa intermediate("Intermediate");
  intermediate.certificate =
      ca_.Certify(intermediate.key.get(),
                  {.common_name = "Intermediate", .is_ca = true, .alternative_names = ""});
  Front::Credentials credentials = Credentials();
  credentials.client_ca_pem = intermediate.pem();
  ASSERT_THAT(front_->Reload(std::move(credentials)), IsOk());
  const X509Ptr certificate = intermediate.Certify(key.get());
  EXPECT_TRUE(Client({.certificate = certificate.get(), .key = key.get()})->Echo());
  EXPECT_FALSE(Client(Good())->Echo());  // of the root, which is not named
}

}  // namespace
}  // namespace seaworthy::tls
