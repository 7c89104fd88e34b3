// The front with its key in the TPM.
#include "component/tls/tpm_fixture.h"
#include "seaworthy/tls/x509.h"
#include "support/front_client.h"

#include "seaworthy/tls/front.h"

namespace seaworthy::tls {
namespace {

using namespace seaworthy::testing;  // NOLINT: the fixture and its like

class FrontTpmTest : public TpmFixture {
 protected:
  void StartFront(tpm::KeyAlgorithm algorithm) {
    key_ = Load(Create(algorithm));
    const auto self_signed = MakeSelfSigned(
        key_.get(),
        {.distinguished_name = "CN=node", .dns_names = {"node"}, .ip_addresses = {}, .uris = {}},
        std::chrono::system_clock::now(), std::chrono::hours(1));
    ASSERT_THAT(self_signed, IsOk());
    server_certificate_ = ToX509(*self_signed);
    Front::Options options;
    options.listen = "127.0.0.1:0";
    // Answers each connection with one word and ends it.
    options.connect = [](const ClientIdentity&) -> Result<UniqueFd> {
      int pair[2] = {-1, -1};
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
      const UniqueFd far(pair[1]);
      send(far.get(), "welcome", 7, MSG_NOSIGNAL);
      return UniqueFd(pair[0]);
    };
    options.refused = [this](const std::string&, const std::string& reason,
                             const std::string& message) {
      const std::scoped_lock lock(mutex_);
      refusals_.push_back(reason + " " + message);
    };
    Front::Credentials credentials;
    credentials.certificate_chain_pem = *self_signed;
    EVP_PKEY_up_ref(key_.get());
    credentials.key.reset(key_.get());
    credentials.client_ca_pem = ca_.pem();
    auto front = Front::Start(std::move(options), std::move(credentials));
    ASSERT_THAT(front, IsOk());
    front_ = *std::move(front);
  }

  std::unique_ptr<FrontClient> Client(SSL_SESSION* session = nullptr) {
    return std::make_unique<FrontClient>(front_->port(), server_certificate_.get(),
                                         ClientOptions{.certificate = client_certificate_.get(),
                                                       .key = client_key_.get(),
                                                       .session = session});
  }

  SoftwareCa ca_;
  EvpPkeyPtr client_key_ = NewEcKey();
  X509Ptr client_certificate_ = ca_.Certify(client_key_.get());
  EvpPkeyPtr key_;
  X509Ptr server_certificate_;
  std::mutex mutex_;
  std::vector<std::string> refusals_;
  std::unique_ptr<Front> front_;
};

TEST_F(FrontTpmTest, ServesWithEachKindOfKey) {
  for (const auto algorithm : {tpm::KeyAlgorithm::kEcP256, tpm::KeyAlgorithm::kRsa2048}) {
    StartFront(algorithm);
    const auto client = Client();
    EXPECT_EQ(client->Read(100), "welcome");
    EXPECT_TRUE(client->EndedCleanly());
  }
}

// The proof that resumption asks the TPM for nothing: there is none any more.
TEST_F(FrontTpmTest, ResumesWithoutTheTpm) {
  StartFront(tpm::KeyAlgorithm::kEcP256);
  const auto first = Client();
  ASSERT_EQ(first->Read(100), "welcome");
  const SessionPtr session = first->session();
  sw_tpm_.Kill();
  const auto again = Client(session.get());
  EXPECT_EQ(again->Read(100), "welcome");
  EXPECT_TRUE(again->resumed());
  const auto stranger = Client();
  EXPECT_FALSE(stranger->connected());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (true) {
    const std::scoped_lock lock(mutex_);
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    if (refusals_.empty()) continue;
    EXPECT_THAT(refusals_.front(), ::testing::StartsWith("HANDSHAKE_FAILED"));
    EXPECT_THAT(refusals_.front(), ::testing::HasSubstr("TPM2_Sign"));
    break;
  }
  sw_tpm_.Start();
  EXPECT_EQ(Client()->Read(100), "welcome");
}

}  // namespace
}  // namespace seaworthy::tls
