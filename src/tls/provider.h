// The provider's inside: the key object and the dispatch tables, one file each.
#pragma once

#include <openssl/core_dispatch.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <shared_mutex>

#include "seaworthy/tls/openssl.h"
#include "seaworthy/tpm/broker.h"
#include "seaworthy/tpm/key.h"

namespace seaworthy::tls {

inline constexpr char kProviderName[] = "seaworthy";
inline constexpr char kProviderProperty[] = "provider=seaworthy";
// Names of OpenSSL's default provider for the two kinds of keys.
inline constexpr char kEcNames[] = "EC:id-ecPublicKey:1.2.840.10045.2.1";
inline constexpr char kRsaNames[] = "RSA:rsaEncryption:1.2.840.113549.1.1.1";

// What OpenSSL calls a provider context. OpenSSL initializes a built-in provider once in the
// life of a process, whatever is loaded and unloaded, so there is one of these and it learns
// which broker to use when a KeyProvider comes and goes.
class ProviderContext {
 public:
  // OpenSSL's functions for reading from the BIO that a decoder is given.
  explicit ProviderContext(const OSSL_DISPATCH* core);

  int ReadLine(OSSL_CORE_BIO* bio, char* line, int size) const { return gets_(bio, line, size); }

 private:
  OSSL_FUNC_BIO_gets_fn* gets_ = nullptr;
};

// Signs through the broker of the present KeyProvider. FAILED_PRECONDITION
// (KEY_PROVIDER_UNLOADED) when there is none.
Result<Bytes> SignWithTpm(const tpm::WrappedKey& key, tpm::SignatureScheme scheme,
                          tpm::HashAlgorithm hash, ByteView digest);

// OpenSSL's "keydata": immutable but for the count of owners. All that needs no private key is
// answered by the default provider's key of the same public half.
struct ProviderKey {
  std::atomic<int> owners{1};
  EvpPkeyPtr public_key;
  std::optional<tpm::WrappedKey> wrapped;  // absent for a public key alone

  static Result<ProviderKey*> FromWrapped(tpm::WrappedKey key);
  void Retain() { owners.fetch_add(1, std::memory_order_relaxed); }
  void Release() {
    if (owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

// Puts a failed status into the error queue; FromOpenssl gives it back as it was.
void RaiseStatus(const Status& status);

extern const OSSL_ALGORITHM kKeyManagement[];
extern const OSSL_ALGORITHM kSignature[];
extern const OSSL_ALGORITHM kDecoder[];

// A function for a dispatch table; checked against the signature that OpenSSL has for it.
template <class Signature>
OSSL_DISPATCH Entry(int id, Signature* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

}  // namespace seaworthy::tls
