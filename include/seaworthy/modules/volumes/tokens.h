// Tokens of LUKS2 headers, as others write them and read them. All of it is foreign: what is read
// here says what to try, never what to believe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/secret_bytes.h"

namespace seaworthy::volumes {

// LUKS2 has room for less in most headers.
inline constexpr std::size_t kMaxToken = 64 * 1024;

inline constexpr char kSystemdTpm2[] = "systemd-tpm2";
inline constexpr char kSystemdRecovery[] = "systemd-recovery";
inline constexpr char kClevis[] = "clevis";
inline constexpr char kGuard[] = "seaworthy-guard";

// Reading: INVALID_ARGUMENT (TOKEN_MALFORMED), naming the field; UNIMPLEMENTED (TOKEN_UNSUPPORTED)
// for what is good and not done here.

// The secret that it seals is the passphrase of the keyslot, in base64.
struct SystemdTpm2Token {
  std::uint32_t keyslot = 0;
  // While the volume is re-encrypted: the same secret's for the other volume key.
  std::optional<std::uint32_t> other_keyslot;
  Bytes blob;                       // TPM2B_PRIVATE, TPM2B_PUBLIC, perhaps TPM2B_ENCRYPTED_SECRET
  std::vector<std::uint32_t> pcrs;  // ascending; may be empty
  std::string pcr_bank;             // "sha256"; empty: not told (before 250)
  std::string primary_alg;          // "ecc", "rsa"; empty: not told, which means ecc
  Bytes policy_hash;                // SHA-256
  bool pin = false;
  std::vector<std::uint32_t> public_key_pcrs;  // of the signed policy
  std::string public_key;                      // PEM; empty: there is no signed policy
  Bytes salt;                                  // of the PIN; empty: before 253
  Bytes srk;                                   // Esys_TR_Serialize() of the parent; empty: legacy
  bool pcrlock = false;
  Bytes pcrlock_nv;   // Esys_TR_Serialize() of the NV index
  std::string other;  // fields that are not known here, a JSON object; kept when it is written
};
Result<SystemdTpm2Token> ParseSystemdTpm2Token(std::string_view json);
// As systemd 252 to 257 read it.
std::string ToJson(const SystemdTpm2Token& token);

struct SystemdRecoveryToken {
  std::uint32_t keyslot = 0;
  std::optional<std::uint32_t> other_keyslot;  // as above
  std::string other;                           // as above
};
Result<SystemdRecoveryToken> ParseSystemdRecoveryToken(std::string_view json);
std::string ToJson(const SystemdRecoveryToken& token);

// Of the pin "tpm2" alone. The TPM seals a JSON Web Key, and that encrypts the passphrase.
struct ClevisToken {
  std::uint32_t keyslot = 0;
  Bytes public_area;                // TPM2B_PUBLIC
  Bytes private_area;               // TPM2B_PRIVATE
  std::string name_hash;            // "sha256", of the parent
  std::string primary_alg;          // "ecc", "rsa"
  std::string pcr_bank;             // empty: no PCRs
  std::vector<std::uint32_t> pcrs;  // ascending
  std::string protected_header;     // base64url, as it is authenticated
  Bytes iv;
  Bytes ciphertext;
  Bytes tag;
};
Result<ClevisToken> ParseClevisToken(std::string_view json);

// The passphrase of the keyslot, with the text of the key that the TPM unsealed. INVALID_ARGUMENT
// (JWK_MALFORMED) for a key that is not a symmetric one of 256 bits; PERMISSION_DENIED
// (DECRYPTION_FAILED) when key and token do not belong together.
Result<SecretBytes> DecryptClevis(const ClevisToken& token, ByteView jwk);

// What we recorded of the header: see header_guard.h.
struct GuardRecord {
  std::uint64_t generation = 0;
  std::uint32_t nv_index = 0;           // of the TPM's counter; 0: none
  std::map<std::string, Bytes> parts;   // SHA-256 of each: "keyslot 0"
  Bytes digest;                         // SHA-256 over all parts
  Bytes mac;                            // HMAC-SHA256
  std::map<std::uint32_t, Bytes> keys;  // by keyslot: nonce, ciphertext and tag of the guard key
};
Result<GuardRecord> ParseGuardRecord(std::string_view json);
std::string ToJson(const GuardRecord& record);

}  // namespace seaworthy::volumes
