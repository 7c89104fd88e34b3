#include "modules/docker/tls_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tls/openssl.h"

namespace seaworthy::docker {
namespace {

constexpr std::array kVersions = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
// No one listener keeps the others from being tried.
constexpr std::chrono::seconds kOneListener{5};
constexpr std::string_view kRequest = "GET /_ping HTTP/1.1\r\nHost: engine\r\n\r\n";
// At level 0 OpenSSL still speaks TLS 1.0 and 1.1.
constexpr const char* kAllSuites = "ALL:!aNULL:!PSK:!SRP:@SECLEVEL=0";

Status Timeout() {
  return Fail(Code::kDeadlineExceeded, "TLS_LISTENER_TIMEOUT", "no whole answer in time");
}

Status WaitFor(Deadline deadline, int fd, short events) {
  for (;;) {
    const auto left = TimeLeft(deadline);
    if (left.count() == 0) return Timeout();
    pollfd state = {fd, events, 0};
    const int ready =
        poll(&state, 1,
             static_cast<int>(std::min<std::int64_t>(left.count(), std::int64_t{3600} * 1000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return FromErrno(errno, "poll a TLS listener");
  }
}

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

Result<SocketAddress> ToSocketAddress(const std::string& address, std::uint16_t port) {
  SocketAddress out;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof(*v4);
  } else if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof(*v6);
  } else {
    return Fail(Code::kInvalidArgument, "TLS_LISTENER_ADDRESS", address + " is no address");
  }
  return out;
}

// A listener at "0.0.0.0" or "::" is reached there by the loopback interface.
Result<UniqueFd> Connect(Deadline deadline, const SocketAddress& address) {
  UniqueFd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return FromErrno(errno, "make a socket");
  int error = 0;
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    error = errno;
  }
  if (error == EINPROGRESS) {
    RETURN_IF_ERROR(WaitFor(deadline, fd.get(), POLLOUT));
    socklen_t size = sizeof(error);
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  }
  if (error != 0) {
    return Fail(Code::kUnavailable, "TLS_LISTENER_ABSENT",
                "no connection: " + Message(FromErrno(error, "connect")));
  }
  return fd;
}

// An end of the connection is no error here: it is one of the answers.
class Connection {
 public:
  Connection(Deadline deadline, UniqueFd fd) : deadline_(deadline), fd_(std::move(fd)) {}

  Status Send(std::string_view bytes) {
    while (!bytes.empty() && !ended_) {
      const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        RETURN_IF_ERROR(WaitFor(deadline_, fd_.get(), POLLOUT));
      } else if (errno != EINTR) {
        return {};  // what it said before it closed can still be read
      }
    }
    return {};
  }

  // Empty at the end.
  Result<std::string> Receive() {
    std::string bytes(16384, '\0');
    while (!ended_) {
      const ssize_t size = recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (size > 0) {
        bytes.resize(static_cast<std::size_t>(size));
        return bytes;
      }
      if (size < 0 && errno == EINTR) continue;
      if (size == 0 || errno != EAGAIN) {
        ended_ = true;
      } else {
        RETURN_IF_ERROR(WaitFor(deadline_, fd_.get(), POLLIN));
      }
    }
    return std::string();
  }

 private:
  const Deadline deadline_;
  const UniqueFd fd_;
  bool ended_ = false;
};

// What one handshake without a client's certificate came to.
struct Attempt {
  bool tls = false;       // it answered in TLS, if only with an alert
  bool accepted = false;  // the version and a suite: it said ServerHello
  bool asked = false;     // for a certificate
  bool served = false;    // it answered a request
  std::string suite;
};

void NoteMessage(int write, int /*version*/, int type, const void* bytes, std::size_t size,
                 SSL* /*ssl*/, void* argument) {
  if (write != 0 || size == 0) return;
  auto* const attempt = static_cast<Attempt*>(argument);
  const auto first = static_cast<const unsigned char*>(bytes)[0];
  if (type == SSL3_RT_ALERT) attempt->tls = true;
  if (type != SSL3_RT_HANDSHAKE) return;
  if (first == SSL3_MT_SERVER_HELLO) attempt->tls = true;
  if (first == SSL3_MT_CERTIFICATE_REQUEST) attempt->asked = true;
}

// OpenSSL between two buffers in memory: its own sockets know neither a deadline nor MSG_NOSIGNAL.
class Client {
 public:
  Client(SSL* ssl, Connection& connection) : ssl_(ssl), connection_(connection) {}

  // What `step` (SSL_do_handshake, SSL_read) returns when it wants nothing more.
  template <typename Step>
  Result<int> Run(const Step& step) {
    for (;;) {
      ERR_clear_error();
      const int result = step();
      const int error = SSL_get_error(ssl_, result);
      ERR_clear_error();
      RETURN_IF_ERROR(Flush());
      if (result > 0 || error != SSL_ERROR_WANT_READ) return result;
      ASSIGN_OR_RETURN(const std::string received, connection_.Receive());
      BIO* const in = SSL_get_rbio(ssl_);
      if (received.empty()) {
        BIO_set_mem_eof_return(in, 0);
      } else if (BIO_write(in, received.data(), static_cast<int>(received.size())) <= 0) {
        return Fail(Code::kResourceExhausted, "OUT_OF_MEMORY", "no memory for a TLS handshake");
      }
    }
  }

 private:
  Status Flush() {
    char* bytes = nullptr;
    BIO* const out = SSL_get_wbio(ssl_);
    const long size = BIO_get_mem_data(out, &bytes);
    if (size > 0) {
      RETURN_IF_ERROR(connection_.Send({bytes, static_cast<std::size_t>(size)}));
    }
    (void)BIO_reset(out);
    return {};
  }

  SSL* ssl_;
  Connection& connection_;
};

Result<tls::SslCtxPtr> MakeContext(int version, const std::string& suites) {
  tls::SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), version) != 1 ||
      SSL_CTX_set_max_proto_version(context.get(), version) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), suites.c_str()) != 1) {
    ERR_clear_error();
    return Fail(Code::kInternal, "TLS_LISTENER_OPENSSL", "OpenSSL offers no such handshake");
  }
  // Whose certificate it is does not matter here: what is asked is how it speaks.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return context;
}

Result<Attempt> TryHandshake(Deadline deadline, const SocketAddress& address, int version,
                             const std::string& suites) {
  Attempt attempt;
  ASSIGN_OR_RETURN(const tls::SslCtxPtr context, MakeContext(version, suites));
  const tls::SslPtr ssl(SSL_new(context.get()));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (in != nullptr) BIO_set_mem_eof_return(in, -1);
  if (ssl) SSL_set_bio(ssl.get(), in, out);
  if (!ssl || in == nullptr || out == nullptr) {
    return Fail(Code::kResourceExhausted, "OUT_OF_MEMORY", "no memory for a TLS handshake");
  }
  SSL_set_msg_callback(ssl.get(), NoteMessage);
  SSL_set_msg_callback_arg(ssl.get(), &attempt);
  SSL_set_connect_state(ssl.get());
  ASSIGN_OR_RETURN(UniqueFd fd, Connect(deadline, address));
  Connection connection(deadline, std::move(fd));
  Client client(ssl.get(), connection);

  ASSIGN_OR_RETURN(const int done, client.Run([&] { return SSL_do_handshake(ssl.get()); }));
  // It is there from the ServerHello on, also when the handshake then ends for want of a
  // certificate.
  const SSL_CIPHER* const suite = SSL_get_pending_cipher(ssl.get());
  attempt.accepted = suite != nullptr;
  if (suite != nullptr) attempt.suite = SSL_CIPHER_get_name(suite);
  if (done != 1) return attempt;
  // A TLS 1.3 server looks at the client's certificate only after the client has ended the
  // handshake.
  ASSIGN_OR_RETURN([[maybe_unused]] const int sent, client.Run([&] {
    return SSL_write(ssl.get(), kRequest.data(), static_cast<int>(kRequest.size()));
  }));
  char answer[16];
  ASSIGN_OR_RETURN(const int read,
                   client.Run([&] { return SSL_read(ssl.get(), answer, sizeof(answer)); }));
  attempt.served = read > 0;
  return attempt;
}

Result<bool> AnswersPlainHttp(Deadline deadline, const SocketAddress& address) {
  ASSIGN_OR_RETURN(UniqueFd fd, Connect(deadline, address));
  Connection connection(deadline, std::move(fd));
  RETURN_IF_ERROR(connection.Send(kRequest));
  std::string answer;
  constexpr std::string_view kHttp = "HTTP/";
  while (answer.size() < kHttp.size()) {
    ASSIGN_OR_RETURN(const std::string more, connection.Receive());
    if (more.empty()) return false;
    answer += more;
  }
  return answer.starts_with(kHttp);
}

// Those of OpenSSL's suites that encrypt without authenticating: CBC with an HMAC, RC4.
Result<std::vector<std::string>> SuitesWithoutAead() {
  ASSIGN_OR_RETURN(const tls::SslCtxPtr context, MakeContext(TLS1_2_VERSION, kAllSuites));
  const STACK_OF(SSL_CIPHER)* const all = SSL_CTX_get_ciphers(context.get());
  std::vector<std::string> suites;
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* const suite = sk_SSL_CIPHER_value(all, i);
    if (SSL_CIPHER_is_aead(suite) == 0) suites.emplace_back(SSL_CIPHER_get_name(suite));
  }
  return suites;
}

// Each handshake offers what no former one has chosen, until none is chosen.
Result<std::vector<std::string>> AcceptedCbcSuites(Deadline deadline, const SocketAddress& address,
                                                   int version) {
  ASSIGN_OR_RETURN(std::vector<std::string> offered, SuitesWithoutAead());
  std::vector<std::string> accepted;
  while (!offered.empty()) {
    std::string list;
    for (const std::string& suite : offered) list += suite + ":";
    ASSIGN_OR_RETURN(const Attempt attempt,
                     TryHandshake(deadline, address, version, list + "@SECLEVEL=0"));
    if (!attempt.accepted || std::erase(offered, attempt.suite) == 0) break;
    accepted.push_back(attempt.suite);
  }
  std::ranges::sort(accepted);
  return accepted;
}

std::string VersionName(int version) {
  switch (version) {
    case TLS1_VERSION:
      return "TLSv1.0";
    case TLS1_1_VERSION:
      return "TLSv1.1";
    case TLS1_2_VERSION:
      return "TLSv1.2";
    default:
      return "TLSv1.3";
  }
}

}  // namespace

Result<TlsAnswer> ProbeTlsListener(Deadline deadline, const std::string& address,
                                   std::uint16_t port) {
  ASSIGN_OR_RETURN(const SocketAddress to, ToSocketAddress(address, port));
  TlsAnswer answer;
  bool served = false;
  int newest_with_suites = 0;
  for (const int version : kVersions) {
    ASSIGN_OR_RETURN(const Attempt attempt, TryHandshake(deadline, to, version, kAllSuites));
    if (attempt.tls) answer.tls = true;
    if (!attempt.accepted) continue;
    answer.versions.push_back(VersionName(version));
    answer.asks_certificate = answer.asks_certificate || attempt.asked;
    served = served || attempt.served;
    if (version != TLS1_3_VERSION) newest_with_suites = version;
  }
  if (!answer.tls) {
    ASSIGN_OR_RETURN(const bool http, AnswersPlainHttp(deadline, to));
    if (http) return answer;
    return Fail(Code::kFailedPrecondition, "TLS_LISTENER_FOREIGN",
                "what listens there speaks neither TLS nor HTTP");
  }
  answer.insists_on_certificate = answer.asks_certificate && !served;
  if (newest_with_suites != 0) {
    ASSIGN_OR_RETURN(answer.cbc_suites, AcceptedCbcSuites(deadline, to, newest_with_suites));
  }
  return answer;
}

std::vector<TlsProbe> ProbeTlsListeners(Deadline deadline, const std::vector<Listener>& listeners) {
  std::vector<TlsProbe> probes;
  for (const Listener& listener : listeners) {
    if (listener.kind != Listener::Kind::kTcp) continue;
    const Deadline own = std::min(deadline, DeadlineIn(kOneListener));
    probes.push_back({listener, ProbeTlsListener(own, listener.address, listener.port)});
  }
  return probes;
}

}  // namespace seaworthy::docker
