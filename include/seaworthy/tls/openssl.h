// OpenSSL's objects as RAII pointers, and its error queue as a Status.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy::tls {

using EvpPkeyPtr = CPtr<EVP_PKEY, EVP_PKEY_free>;
using X509Ptr = CPtr<X509, X509_free>;
using X509ReqPtr = CPtr<X509_REQ, X509_REQ_free>;
using X509StorePtr = CPtr<X509_STORE, X509_STORE_free>;
using BioPtr = CPtr<BIO, BIO_free_all>;
using SslCtxPtr = CPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = CPtr<SSL, SSL_free>;

// Takes and clears this thread's error queue; the message is "what: reason; reason". Where a key
// of the provider failed (key_provider.h), the Status is that failure, with its own code and
// reason, for example UNAVAILABLE.
Status FromOpenssl(Code code, std::string_view reason, std::string_view what);

}  // namespace seaworthy::tls
