// A TLS client over TCP on 127.0.0.1, for tests of the front.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "support/software_ca.h"

namespace seaworthy::testing {

using SessionPtr = CPtr<SSL_SESSION, SSL_SESSION_free>;

// No wait of a test is longer; what passes takes milliseconds.
inline constexpr int kPatienceMilliseconds = 20'000;

// Invalid when refused. `source` is another address of the loopback network if need be.
inline UniqueFd TcpConnect(int port, const char* source = "127.0.0.1") {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, source, &address.sin_addr);
  bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    fd.reset();
  }
  const timeval patience = {kPatienceMilliseconds / 1000, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

// Whether the other side closes (or resets) within the test's patience without a byte.
inline bool ClosedWithoutAByte(int fd) {
  char byte = 0;
  const ssize_t count = recv(fd, &byte, 1, 0);
  return count == 0 || (count < 0 && errno == ECONNRESET);
}

struct ClientOptions {
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
  int version = TLS1_3_VERSION;
  std::string alpn = "h2";
  SSL_SESSION* session = nullptr;
  const char* source = "127.0.0.1";
};

class FrontClient {
 public:
  FrontClient(int port, X509* server_ca, const ClientOptions& options)
      : fd_(TcpConnect(port, options.source)), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), options.version);
    SSL_CTX_set_max_proto_version(context_.get(), options.version);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), server_ca);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (options.certificate != nullptr) {
      SSL_CTX_use_certificate(context_.get(), options.certificate);
      SSL_CTX_use_PrivateKey(context_.get(), options.key);
    }
    // For this thread, after the front made its own.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    if (!options.alpn.empty()) {
      const std::string list = static_cast<char>(options.alpn.size()) + options.alpn;
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned>(list.size()));
    }
    if (options.session != nullptr) SSL_set_session(ssl_.get(), options.session);
    SSL_set_fd(ssl_.get(), fd_.get());
    ERR_clear_error();
    connected_ = SSL_connect(ssl_.get()) == 1;
    if (!connected_) NoteAlert();
  }

  // Without close_notify OpenSSL takes a session for one that must not be resumed.
  ~FrontClient() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }
  FrontClient(const FrontClient&) = delete;
  FrontClient& operator=(const FrontClient&) = delete;

  // The client's side of the handshake is done; under TLS 1.3 the server may still refuse.
  bool connected() const { return connected_; }
  SSL* ssl() const { return ssl_.get(); }
  int fd() const { return fd_.get(); }
  // SSL_R_..._ALERT_..., 0 when none was received.
  int alert() const { return alert_; }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  SessionPtr session() const { return SessionPtr(SSL_get1_session(ssl_.get())); }

  bool Write(const std::string& text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0;
  }

  // Up to the end of the stream or `size` bytes.
  std::string Read(std::size_t size) {
    std::string text;
    while (text.size() < size) {
      char buffer[4096];
      ERR_clear_error();
      const int count = SSL_read(ssl_.get(), buffer,
                                 static_cast<int>(std::min(sizeof(buffer), size - text.size())));
      if (count <= 0) {
        NoteAlert();
        break;
      }
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }

  // A round trip through an echoing server: true only for who was let in.
  bool Echo(const std::string& text = "ping") {
    return connected_ && Write(text) && Read(text.size()) == text;
  }

  bool EndedCleanly() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

 private:
  void NoteAlert() {
    const unsigned long error = ERR_peek_error();
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET) {
      alert_ = ERR_GET_REASON(error);
    }
  }

  UniqueFd fd_;
  tls::SslCtxPtr context_;
  tls::SslPtr ssl_;
  bool connected_ = false;
  int alert_ = 0;
};

}  // namespace seaworthy::testing
