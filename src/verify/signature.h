// TPM keys as OpenSSL's, signatures by them, and OpenSSL's handles.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "seaworthy/handle.h"
#include "verify/tpm_structures.h"

namespace seaworthy::verify {

using BioPtr = CPtr<BIO, BIO_free_all>;
using EvpPkeyPtr = CPtr<EVP_PKEY, EVP_PKEY_free>;
using PkeyContextPtr = CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using X509Ptr = CPtr<X509, X509_free>;

// Leaves OpenSSL's error queue of this thread as it found it: what a foreign key or signature
// makes OpenSSL complain about must not be read by the next user of the queue.
class QuietOpenssl {
 public:
  QuietOpenssl() { ERR_set_mark(); }
  ~QuietOpenssl() { ERR_pop_to_mark(); }
  QuietOpenssl(const QuietOpenssl&) = delete;
  QuietOpenssl& operator=(const QuietOpenssl&) = delete;
};

// INVALID_ARGUMENT, reason UNSUPPORTED_KEY, for what is not an RSA key of 2048 to 4096 bits or
// a point on P-256, P-384 or P-521.
Result<EvpPkeyPtr> ToOpenssl(const PublicArea& key);

// SubjectPublicKeyInfo, PEM.
Result<std::string> ToPem(EVP_PKEY* key);

// PERMISSION_DENIED, reason SIGNATURE_INVALID, with a message that says why the signature is
// not one over `message` by this key in its own scheme and hash.
Status CheckSignature(const PublicArea& key, const Signature& signature, ByteView message);

}  // namespace seaworthy::verify
