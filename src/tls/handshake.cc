#include "tls/handshake.h"

#include <openssl/err.h>

namespace seaworthy::tls {
namespace {

HandshakeStep Refused(std::string reason, std::string message) {
  return {HandshakeStep::Outcome::kRefused, std::move(reason), std::move(message)};
}

HandshakeStep RefusedCertificate(long result) {
  const std::string why = X509_verify_cert_error_string(result);
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Refused("CERTIFICATE_EXPIRED", "the client's certificate: " + why);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Refused("CERTIFICATE_NOT_YET_VALID", "the client's certificate: " + why);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return Refused("UNKNOWN_CA",
                     "the client's certificate does not chain to a client CA: " + why);
    default:
      return Refused("HANDSHAKE_FAILED", "the client's certificate: " + why);
  }
}

HandshakeStep Classify(const SSL* ssl) {
  // Asked first: the queue may begin with why a signature did not verify.
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) return RefusedCertificate(verified);
  // The oldest error tells what happened; later ones tell what came of it.
  const unsigned long error = ERR_peek_error();
  switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Refused("NO_CLIENT_CERTIFICATE", "the client gave no certificate");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
      return Refused("PROTOCOL_VERSION", "the client offered no TLS version that is allowed");
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return Refused("HANDSHAKE_FAILED", "the client closed the connection");
    default: {
      const Status status = FromOpenssl(Code::kInternal, "HANDSHAKE_FAILED", "the handshake");
      return Refused("HANDSHAKE_FAILED", Message(status));
    }
  }
}

}  // namespace

HandshakeStep StepHandshake(SSL* ssl) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl);
  if (result == 1) return {HandshakeStep::Outcome::kDone, {}, {}};
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return {HandshakeStep::Outcome::kWantsRead, {}, {}};
    case SSL_ERROR_WANT_WRITE:
      return {HandshakeStep::Outcome::kWantsWrite, {}, {}};
    case SSL_ERROR_SSL: {
      HandshakeStep step = Classify(ssl);
      ERR_clear_error();
      return step;
    }
    default:
      ERR_clear_error();
      return Refused("HANDSHAKE_FAILED", "the client broke the connection");
  }
}

}  // namespace seaworthy::tls
