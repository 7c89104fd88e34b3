#include "bench/handshakes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "bench/process.h"
#include "seaworthy/tls/front.h"
#include "seaworthy/tls/key_provider.h"
#include "seaworthy/tpm/key.h"
#include "support/software_ca.h"
#include "support/temp_root.h"

namespace seaworthy::bench {
namespace {

using testing::SoftwareCa;

// One end for the front; the other, with a byte for the client in it, is closed here: the byte
// is still delivered.
Result<UniqueFd> GreetingConnection(const tls::ClientIdentity&) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return Fail(Code::kInternal, "SOCKETPAIR", "no socket pair");
  }
  const UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  if (send(ours.get(), "!", 1, MSG_NOSIGNAL) != 1) Give("greeting the client");
  return theirs;
}

std::unique_ptr<tls::Front> StartFront(const SoftwareCa& ca, tls::EvpPkeyPtr key) {
  tls::Front::Options options;
  options.listen = "127.0.0.1:0";
  options.limits.handshakes_per_second = 1e6;
  options.limits.handshakes_per_second_per_source = 1e6;
  options.connect = GreetingConnection;
  options.refused = [](const std::string&, const std::string& reason, const std::string& message) {
    Give("the front refused: " + reason + ": " + message);
  };
  tls::Front::Credentials credentials;
  credentials.certificate_chain_pem = testing::ToPem(ca.Certify(key.get()).get());
  credentials.client_ca_pem = ca.pem();
  credentials.key = std::move(key);
  return Must(tls::Front::Start(std::move(options), std::move(credentials)), "starting the front");
}

tls::SslCtxPtr ClientContext(const SoftwareCa& ca) {
  tls::SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  const tls::EvpPkeyPtr key = testing::NewEcKey();
  const tls::X509Ptr certificate = ca.Certify(key.get());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  if (SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.certificate.get()) != 1) {
    Give("making the client's credentials");
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

}  // namespace

class Handshakes::State {
 public:
  explicit State(const std::string& tcti)
      : broker_({.tcti = tcti, .state_dir = root_ / "state", .on_change = {}}),
        provider_(Must(tls::KeyProvider::Load(broker_), "loading the provider")),
        client_(ClientContext(ca_)) {
    const tpm::WrappedKey key =
        Must(broker_.Run(DeadlineIn(std::chrono::seconds(20)),
                         [](tpm::Context& context) { return tpm::CreateKey(context, {}); }),
             "making a TPM key");
    tpm_ = StartFront(ca_, Must(provider_->Key(key), "loading a TPM key"));
    software_ = StartFront(ca_, testing::NewEcKey());
  }

  void WithTpmKey() const { Shake(tpm_->port()); }
  void WithSoftwareKey() const { Shake(software_->port()); }

 private:
  // A new SSL object has no session to resume: each handshake is a full one.
  void Shake(int port) const {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      Give("connecting to the front");
    }
    const tls::SslPtr ssl(SSL_new(client_.get()));
    char byte = 0;
    if (SSL_set_fd(ssl.get(), fd.get()) != 1 || SSL_connect(ssl.get()) != 1 ||
        SSL_read(ssl.get(), &byte, 1) != 1) {
      Give(Message(tls::FromOpenssl(Code::kInternal, "HANDSHAKE", "handshake")));
    }
  }

  testing::TempRoot root_;
  tpm::Broker broker_;
  std::unique_ptr<tls::KeyProvider> provider_;
  SoftwareCa ca_;
  tls::SslCtxPtr client_;
  std::unique_ptr<tls::Front> tpm_;
  std::unique_ptr<tls::Front> software_;
};

Handshakes::Handshakes(const std::string& tcti) : state_(std::make_unique<State>(tcti)) {}
Handshakes::~Handshakes() = default;
void Handshakes::WithTpmKey() { state_->WithTpmKey(); }
void Handshakes::WithSoftwareKey() { state_->WithSoftwareKey(); }

}  // namespace seaworthy::bench
