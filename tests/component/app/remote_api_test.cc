// The API over mutual TLS, its server key in the TPM.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "app_fixture.h"
#include "support/front_client.h"
#include "support/software_ca.h"

namespace seaworthy::app {
namespace {

using testing::CertificateOptions;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::SoftwareCa;
using testing::ToPem;

constexpr char kServerName[] = "node.test";
constexpr char kBackend[] = "URI:spiffe://test/backend";

// A client's key and certificate.
struct Client {
  tls::EvpPkeyPtr key = testing::NewEcKey();
  tls::X509Ptr certificate;
};

class RemoteApi : public AppTest {
 protected:
  RemoteApi() {
    config_.remote.listen = "127.0.0.1:0";
    config_.remote.server_names = {kServerName, "127.0.0.1"};
    config_.remote.client_ca = root_ / "ca.pem";
    config_.remote.roles[kBackend] = rpc::Role::kOperator;
    config_.remote.roles["DNS:watch.test"] = rpc::Role::kReader;
    config_.remote.limits.handshakes_per_second = 1000;
    config_.remote.limits.handshakes_per_second_per_source = 1000;
    std::ofstream(config_.remote.client_ca) << ca_.pem();
  }

  v1::ModuleStatus Remote() const {
    const v1::GetStatusResponse status = GetStatus(admin_);
    for (const v1::ModuleStatus& module : status.modules()) {
      if (module.name() == "remote") return module;
    }
    ADD_FAILURE() << "the status does not tell of the remote API";
    return {};
  }

  void StartRemote() {
    Start();
    ASSERT_TRUE(Eventually([&] { return app_->remote_port().has_value(); }))
        << GetStatus(admin_).DebugString();
    port_ = *app_->remote_port();
  }

  Client MakeClient(const std::string& alternative_names, const SoftwareCa& ca,
                    std::time_t not_after = std::time(nullptr) + 3600) {
    Client client;
    CertificateOptions options;
    options.alternative_names = alternative_names;
    options.not_before = std::time(nullptr) - 7200;
    options.not_after = not_after;
    client.certificate = ca.Certify(client.key.get(), options);
    return client;
  }
  Client Backend() { return MakeClient("URI:spiffe://test/backend", ca_); }

  // The certificate the server shows now.
  tls::X509Ptr ServerCertificate() {
    const Client client = Backend();
    const tls::SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_use_certificate(context.get(), client.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), client.key.get());
    const UniqueFd fd = testing::TcpConnect(port_);
    const tls::SslPtr ssl(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), fd.get());
    EXPECT_EQ(SSL_connect(ssl.get()), 1);
    EXPECT_EQ(SSL_version(ssl.get()), TLS1_3_VERSION);
    return tls::X509Ptr(SSL_get1_peer_certificate(ssl.get()));
  }

  std::shared_ptr<grpc::Channel> Connect(const Client* client,
                                         const std::string& trusted_pem) const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = trusted_pem;
    if (client != nullptr) {
      options.pem_cert_chain = ToPem(client->certificate.get());
      options.pem_private_key = ToPem(client->key.get());
    }
    return OpenChannel("127.0.0.1:" + std::to_string(port_), grpc::SslCredentials(options),
                       kServerName);
  }
  std::shared_ptr<grpc::Channel> Connect(const Client& client) {
    return Connect(&client, ToPem(ServerCertificate().get()));
  }

  // Whether a handshake is in the audit as refused for that reason.
  bool WasRefused(const std::string& reason) const {
    bool found = false;
    for (const nlohmann::json& record : Audited()) {
      if (record["method"] == "tls.handshake") {
        EXPECT_EQ(record["outcome"], "refused");
        EXPECT_THAT(record["peer"].get<std::string>(), HasSubstr("127.0.0.1:"));
        found |= record["reason"] == reason;
      }
    }
    return found;
  }

  void ExpectRefusedHandshake(const Client* client, const std::string& reason) {
    const std::string trusted = ToPem(ServerCertificate().get());
    const auto stub = v1::NodeService::NewStub(Connect(client, trusted));
    v1::GetStatusResponse response;
    EXPECT_EQ(Call(*stub, &v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), response)
                  .status.error_code(),
              grpc::StatusCode::UNAVAILABLE);
    EXPECT_TRUE(Eventually([&] { return WasRefused(reason); })) << reason;
  }

  SoftwareCa ca_;
  int port_ = 0;
};

TEST_F(RemoteApi, ServesAMappedClientByItsRole) {
  StartRemote();
  const auto backend = Connect(Backend());
  EXPECT_EQ(GetStatus(backend).caller_role(), v1::OPERATOR);
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  EXPECT_TRUE(Sign(backend, "tls").status.ok());
  const std::vector<nlohmann::json> records = Audited();
  const nlohmann::json& last = records.back();
  EXPECT_EQ(last["method"], "seaworthy.v1.KeyService/Sign");
  EXPECT_EQ(last["role"], "OPERATOR");
  EXPECT_THAT(last["peer"].get<std::string>(),
              ::testing::MatchesRegex("URI:spiffe://test/backend from 127.0.0.1:[0-9]+"));
}

TEST_F(RemoteApi, RefusesARoleThatIsTooLow) {
  StartRemote();
  const auto watcher = Connect(MakeClient("DNS:watch.test", ca_));
  EXPECT_EQ(GetStatus(watcher).caller_role(), v1::READER);
  const Answer answer = Sign(watcher, "tls");
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(answer.reason, "ROLE_TOO_LOW");
  EXPECT_EQ(Audited().back()["peer"].get<std::string>().substr(0, 14), "DNS:watch.test");
}

TEST_F(RemoteApi, RefusesAnUnknownNameAndTellsIt) {
  StartRemote();
  // Near misses of configured names are unknown too.
  const auto stranger =
      Connect(MakeClient("URI:spiffe://test/backend2,DNS:WATCH.test,DNS:spiffe", ca_));
  const auto stub = v1::NodeService::NewStub(stranger);
  v1::GetStatusResponse response;
  const Answer answer =
      Call(*stub, &v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), response);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(answer.reason, "UNKNOWN_CLIENT");
  EXPECT_THAT(answer.status.error_message(), HasSubstr("URI:spiffe://test/backend2"));
  EXPECT_THAT(answer.status.error_message(), HasSubstr("DNS:WATCH.test"));
  EXPECT_EQ(Audited().back()["reason"], "UNKNOWN_CLIENT");
}

TEST_F(RemoteApi, RefusesNoCertificate) {
  StartRemote();
  ExpectRefusedHandshake(nullptr, "NO_CLIENT_CERTIFICATE");
}

TEST_F(RemoteApi, RefusesAForeignCa) {
  StartRemote();
  const SoftwareCa foreign;  // of the same name, with another key
  const Client client = MakeClient("URI:spiffe://test/backend", foreign);
  ExpectRefusedHandshake(&client, "UNKNOWN_CA");
}

TEST_F(RemoteApi, RefusesAnExpiredCertificate) {
  StartRemote();
  const Client client = MakeClient("URI:spiffe://test/backend", ca_, std::time(nullptr) - 60);
  ExpectRefusedHandshake(&client, "CERTIFICATE_EXPIRED");
}

TEST_F(RemoteApi, WorksWithAnRsaKey) {
  config_.remote.key_algorithm = tpm::KeyAlgorithm::kRsa2048;
  StartRemote();
  const tls::X509Ptr certificate = ServerCertificate();
  EXPECT_EQ(EVP_PKEY_get_base_id(X509_get0_pubkey(certificate.get())), EVP_PKEY_RSA);
  EXPECT_EQ(GetStatus(Connect(Backend())).caller_role(), v1::OPERATOR);
}

TEST_F(RemoteApi, TwoConnectionsAreNotMixedUp) {
  StartRemote();
  const auto backend = Connect(Backend());
  const auto watcher = Connect(MakeClient("DNS:watch.test", ca_));
  for (int i = 0; i < 20; i++) {
    EXPECT_EQ(GetStatus(backend).caller_role(), v1::OPERATOR);
    EXPECT_EQ(GetStatus(watcher).caller_role(), v1::READER);
  }
}

TEST_F(RemoteApi, ManyShortConnectionsKeepTheirRoles) {
  StartRemote();
  const std::string trusted = ToPem(ServerCertificate().get());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      const Client client = i % 2 == 0 ? Backend() : MakeClient("DNS:watch.test", ca_);
      for (int j = 0; j < 10; j++) {
        EXPECT_EQ(GetStatus(Connect(&client, trusted)).caller_role(),
                  i % 2 == 0 ? v1::OPERATOR : v1::READER);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(RemoteApi, AReloadChangesRolesOfOpenConnectionsAtOnce) {
  StartRemote();
  const auto backend = Connect(Backend());
  EXPECT_EQ(GetStatus(backend).caller_role(), v1::OPERATOR);
  config_.remote.roles[kBackend] = rpc::Role::kReader;
  ASSERT_THAT(app_->Reload(config_), IsOk());
  EXPECT_EQ(GetStatus(backend).caller_role(), v1::READER);
  config_.remote.roles.erase(kBackend);
  ASSERT_THAT(app_->Reload(config_), IsOk());
  const auto stub = v1::NodeService::NewStub(backend);
  v1::GetStatusResponse response;
  EXPECT_EQ(Call(*stub, &v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), response).reason,
            "UNKNOWN_CLIENT");
}

TEST_F(RemoteApi, AReloadTakesUpAnotherClientCaAndKeepsTheOldOnError) {
  StartRemote();
  const SoftwareCa next("Next CA");
  Config bad = config_;
  bad.remote.client_ca = root_ / "absent.pem";
  EXPECT_FALSE(app_->Reload(bad).ok());
  EXPECT_EQ(GetStatus(Connect(Backend())).caller_role(), v1::OPERATOR);
  std::ofstream(config_.remote.client_ca) << next.pem();
  ASSERT_THAT(app_->Reload(config_), IsOk());
  const Client client = MakeClient("URI:spiffe://test/backend", next);
  EXPECT_TRUE(Eventually([&] {
    // The self-signed certificate may be another by now.
    const std::string trusted = ToPem(ServerCertificate().get());
    const auto stub = v1::NodeService::NewStub(Connect(&client, trusted));
    v1::GetStatusResponse response;
    return Call(*stub, &v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), response)
        .status.ok();
  }));
}

TEST_F(RemoteApi, AnInstalledCertificateIsTakenUpWithoutARestart) {
  StartRemote();
  EXPECT_THAT(Remote().detail(), HasSubstr("self-signed"));
  const tls::X509Ptr before = ServerCertificate();
  const auto keys = v1::KeyService::NewStub(admin_);
  v1::InstallCertificateRequest request;
  request.set_name("remote-api");
  CertificateOptions options;
  options.alternative_names = std::string("DNS:") + kServerName;
  request.set_certificate_chain_pem(
      ToPem(ca_.Certify(X509_get0_pubkey(before.get()), options).get()));
  v1::Key key;
  const Answer answer = Call(*keys, &v1::KeyService::Stub::InstallCertificate, request, key);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_TRUE(Eventually([&] { return X509_cmp(ServerCertificate().get(), before.get()) != 0; }));
  const Client client = Backend();
  EXPECT_EQ(GetStatus(Connect(&client, ca_.pem())).caller_role(), v1::OPERATOR);
  EXPECT_EQ(Remote().detail(), "");
}

TEST_F(RemoteApi, OpensWhenTheTpmComes) {
  tpm_.Kill();
  Start();
  EXPECT_TRUE(Eventually([&] { return Remote().health() == v1::FAILED; }));
  EXPECT_FALSE(app_->remote_port());
  tpm_.Start();
  ASSERT_TRUE(Eventually([&] { return app_->remote_port().has_value(); }));
  port_ = *app_->remote_port();
  EXPECT_EQ(GetStatus(Connect(Backend())).caller_role(), v1::OPERATOR);
}

// The median of some local calls; each must work.
milliseconds Median(const std::function<void()>& call) {
  std::vector<milliseconds> times;
  for (int i = 0; i < 41; i++) {
    const auto begun = std::chrono::steady_clock::now();
    call();
    times.push_back(
        std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

TEST_F(RemoteApi, AFloodOfHandshakesLeavesLocalCallsTheirLatency) {
  config_.remote.limits = tls::Front::Limits();
  StartRemote();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  const auto sign = [&] { EXPECT_TRUE(Sign(admin_, "tls").status.ok()); };
  const auto status = [&] { EXPECT_TRUE(GetStatus(reader_).tpm().available()); };
  const milliseconds calm_sign = Median(sign);
  const milliseconds calm_status = Median(status);
  std::atomic<bool> stop = false;
  std::atomic<int> tries = 0;
  std::vector<std::thread> flood;
  for (int i = 0; i < 2; i++) {
    flood.emplace_back([&] {
      const tls::SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
      while (!stop) {
        const UniqueFd fd = testing::TcpConnect(port_);
        const tls::SslPtr ssl(SSL_new(context.get()));
        SSL_set_fd(ssl.get(), fd.get());
        if (fd) SSL_connect(ssl.get());
        ERR_clear_error();
        tries++;
      }
    });
  }
  ASSERT_TRUE(Eventually([&] { return tries > 100; }));
  const milliseconds flooded_sign = Median(sign);
  const milliseconds flooded_status = Median(status);
  stop = true;
  for (std::thread& thread : flood) thread.join();
  // Generous: the flood itself takes processor time from the calls on a small machine.
  EXPECT_LT(flooded_sign, 10 * calm_sign + milliseconds(30));
  EXPECT_LT(flooded_status, 10 * calm_status + milliseconds(30));
  EXPECT_TRUE(WasRefused("HANDSHAKE_RATE"));
}

}  // namespace
}  // namespace seaworthy::app
