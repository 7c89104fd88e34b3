#include "tpm/kdf.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::tpm {
namespace {

constexpr std::uint8_t kZero[] = {0};

// The counter of the first round, which makes all that is asked for: it is as long as the hash.
constexpr std::uint8_t kFirstRound[] = {0, 0, 0, 1};

Status Failed(std::string_view what) {
  return Fail(Code::kInternal, "OPENSSL", std::string(what) + " failed");
}

}  // namespace

Result<Mac> HmacSha256(ByteView key, std::initializer_list<ByteView> parts) {
  const CPtr<EVP_MAC, EVP_MAC_free> hmac(EVP_MAC_fetch(nullptr, "HMAC", "provider=default"));
  const CPtr<EVP_MAC_CTX, EVP_MAC_CTX_free> context(EVP_MAC_CTX_new(hmac.get()));
  char hash[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
      OSSL_PARAM_construct_end(),
  };
  bool ok = context && EVP_MAC_init(context.get(), key.data(), key.size(), parameters) == 1;
  for (const ByteView part : parts) {
    ok = ok && EVP_MAC_update(context.get(), part.data(), part.size()) == 1;
  }
  Mac mac = {};
  std::size_t size = 0;
  ok = ok && EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) == 1;
  if (!ok || size != mac.size()) return Failed("HMAC");
  return mac;
}

Result<SecretBytes> KdfA(ByteView key, std::string_view label, ByteView context_u,
                         ByteView context_v, std::size_t size) {
  const std::size_t bits = size * 8;
  const std::uint8_t number[] = {0, 0, static_cast<std::uint8_t>(bits >> 8),
                                 static_cast<std::uint8_t>(bits & 0xff)};
  ASSIGN_OR_RETURN(Mac round, HmacSha256(key, {kFirstRound, AsBytes(label), kZero, context_u,
                                               context_v, number}));
  SecretBytes derived(std::min(size, round.size()));
  std::copy_n(round.begin(), derived.size(), derived.data());
  OPENSSL_cleanse(round.data(), round.size());
  return derived;
}

Result<SecretBytes> KdfE(ByteView z, std::string_view label, ByteView party_u, ByteView party_v) {
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  bool ok = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  const ByteView parts[] = {kFirstRound, z, AsBytes(label), kZero, party_u, party_v};
  for (const ByteView part : parts) {
    ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  SecretBytes key(kSha256Size);
  ok = ok && EVP_DigestFinal_ex(context.get(), key.data(), nullptr) == 1;
  if (!ok) return Failed("KDFe");
  return key;
}

}  // namespace seaworthy::tpm
