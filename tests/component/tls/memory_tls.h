// A TLS server and a TLS client in this process, joined by a pair of memory BIOs.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "seaworthy/tls/openssl.h"

namespace seaworthy::testing {

inline tls::SslCtxPtr NewContext(const SSL_METHOD* method, int version) {
  tls::SslCtxPtr context(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  return context;
}

inline void Trust(SSL_CTX* context, X509* ca) {
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

struct MemoryTls {
  MemoryTls(SSL_CTX* server_context, SSL_CTX* client_context)
      : server(SSL_new(server_context)), client(SSL_new(client_context)) {
    BIO* left = nullptr;
    BIO* right = nullptr;
    BIO_new_bio_pair(&left, 64 * 1024, &right, 64 * 1024);
    SSL_set_bio(server.get(), left, left);
    SSL_set_bio(client.get(), right, right);
    SSL_set_accept_state(server.get());
    SSL_set_connect_state(client.get());
  }

  // Both sides in turn until both are done or one failed.
  bool Handshake() const {
    for (int round = 0; round < 20; ++round) {
      const int client_done = SSL_do_handshake(client.get());
      const int server_done = SSL_do_handshake(server.get());
      if (client_done == 1 && server_done == 1) return true;
      if (Failed(client.get(), client_done) || Failed(server.get(), server_done)) return false;
    }
    return false;
  }

  static bool Failed(const SSL* ssl, int result) {
    const int error = SSL_get_error(ssl, result);
    return result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
  }

  tls::SslPtr server;
  tls::SslPtr client;
};

}  // namespace seaworthy::testing
