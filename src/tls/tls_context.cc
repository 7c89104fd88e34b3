#include "tls/tls_context.h"

#include <openssl/err.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "seaworthy/status_macros.h"
#include "seaworthy/tls/x509.h"
#include "tls/certificates.h"

namespace seaworthy::tls {
namespace {

constexpr CertificateCaps kChainCaps = {kMaxChainBytes, kMaxChainLength};
constexpr CertificateCaps kClientCaCaps = {512 * 1024, 64};
constexpr std::chrono::seconds kSessionLifetime = std::chrono::hours(1);
constexpr char kSuites12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr unsigned char kSessionContext[] = {'s', 'e', 'a', 'w', 'o', 'r', 't', 'h', 'y'};

// Who speaks no "h2" is told so; who says nothing about protocols is let through.
int SelectH2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
             unsigned int offered_size, void*) {
  for (unsigned int at = 0; at < offered_size; at += offered[at] + 1U) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name == "h2") {
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Resumption skips the verification of the client's certificate, so it is not granted when
// that has run out meanwhile: the full handshake that follows finds it expired and says so.
SSL_TICKET_RETURN CheckTicket(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                              SSL_TICKET_STATUS status, void*) {
  if (status == SSL_TICKET_EMPTY || status == SSL_TICKET_NO_DECRYPT) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  const X509* const peer = SSL_SESSION_get0_peer(session);
  if (peer == nullptr || !CheckInDate(peer, std::time(nullptr), "").ok()) {
    ERR_clear_error();
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  // A TLS 1.3 ticket is used once (RFC 8446, C.4): give a new one.
  const bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
  return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

Status UseChain(SSL_CTX* context, const Front::Credentials& credentials) {
  ASSIGN_OR_RETURN(auto chain, ParseCertificates(credentials.certificate_chain_pem, kChainCaps));
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return FromOpenssl(Code::kInvalidArgument, "INVALID_CERTIFICATE", "the server certificate");
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return FromOpenssl(Code::kInvalidArgument, "INVALID_CERTIFICATE",
                         "certificate " + std::to_string(i + 1) + " of the server's chain");
    }
  }
  if (credentials.key == nullptr || SSL_CTX_use_PrivateKey(context, credentials.key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return FromOpenssl(Code::kInvalidArgument, "CERTIFICATE_KEY_MISMATCH",
                       "the server certificate is not for this key");
  }
  return {};
}

Status UseClientCa(SSL_CTX* context, const std::string& pem) {
  auto authorities = ParseCertificates(pem, kClientCaCaps);
  if (!authorities.ok()) return Wrap(authorities.status(), "the client CA");
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (std::size_t i = 0; i < authorities->size(); ++i) {
    X509* const authority = (*authorities)[i].get();
    if (X509_check_ca(authority) == 0) {
      return Fail(Code::kInvalidArgument, "INVALID_CERTIFICATE",
                  "the client CA: certificate " + std::to_string(i + 1) + " is no CA's");
    }
    if (X509_STORE_add_cert(store, authority) != 1 ||
        SSL_CTX_add_client_CA(context, authority) != 1) {
      return FromOpenssl(Code::kInvalidArgument, "INVALID_CERTIFICATE", "the client CA");
    }
  }
  // What the operator names is trusted, an intermediate CA without its root too.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

void UseSessions(SSL_CTX* context) {
  // Tickets alone: the server keeps nothing, and a new context can't read the old one's.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext));
  SSL_CTX_set_timeout(context, kSessionLifetime.count());
  SSL_CTX_set_session_ticket_cb(context, nullptr, CheckTicket, nullptr);
}

}  // namespace

Result<SslCtxPtr> MakeServerContext(const Front::Credentials& credentials) {
  ERR_clear_error();
  if (credentials.min_version != TLS1_2_VERSION && credentials.min_version != TLS1_3_VERSION) {
    return Fail(Code::kInvalidArgument, "INVALID_TLS_VERSION",
                "the oldest TLS version must be 1.2 or 1.3");
  }
  SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr ||
      SSL_CTX_set_min_proto_version(context.get(), credentials.min_version) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), kSuites12) != 1) {
    return FromOpenssl(Code::kInternal, "OPENSSL_FAILED", "the TLS settings");
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  RETURN_IF_ERROR(UseChain(context.get(), credentials));
  RETURN_IF_ERROR(UseClientCa(context.get(), credentials.client_ca_pem));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context.get(), static_cast<int>(kMaxChainLength));
  SSL_CTX_set_alpn_select_cb(context.get(), SelectH2, nullptr);
  UseSessions(context.get());
  return context;
}

}  // namespace seaworthy::tls
