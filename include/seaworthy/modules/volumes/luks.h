// LUKS2 volumes on block devices and in files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/secret_bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::volumes {

class CryptDevice;

inline constexpr std::size_t kVolumeKeyBytes = 64;  // two AES-256 keys for XTS

// A new volume key of the kernel's randomness and the TPM's, hashed together (HKDF-SHA512): whoever
// knows or chooses one of them knows nothing of the key. INVALID_ARGUMENT for less than 32 bytes.
Result<SecretBytes> MakeVolumeKey(ByteView tpm_randomness);

// What a guess at a keyslot's passphrase costs.
struct KeyslotCost {
  // PBKDF2-SHA512 with the fewest iterations: for secrets of 256 random bits, which nobody guesses.
  static KeyslotCost ForRandomSecret() { return {}; }
  // For what a person remembers.
  static KeyslotCost Argon2id(std::uint32_t memory_kib, std::uint32_t iterations,
                              std::uint32_t threads) {
    return {iterations, memory_kib, threads};
  }

  std::uint32_t iterations = 1000;
  std::uint32_t memory_kib = 0;  // not 0: Argon2id
  std::uint32_t threads = 0;
};

struct Keyslot {
  int id = 0;
  bool bound = true;  // false: it opens no data yet (re-encryption's next key)
  std::string kdf;    // "pbkdf2", "argon2id", ...
  KeyslotCost cost;
};

struct Token {
  int id = 0;
  std::string type;
  std::vector<int> keyslots;
};

struct FormatOptions {
  std::string label;
  std::uint32_t sector_size = 0;     // 512 to 4096; 0: the device's own
  std::uint64_t metadata_bytes = 0;  // of each header copy, 16 KiB to 4 MiB; 0: 16 KiB
  std::uint64_t keyslots_bytes = 0;  // multiple of 4096, a keyslot takes 252 KiB; 0: almost 16 MiB
  std::string header_file;           // detached: an existing file that will hold the header
  bool destroy = false;              // what is there
};

// Errors that several calls have: PERMISSION_DENIED (PASSPHRASE_WRONG, VOLUME_KEY_WRONG), NOT_FOUND
// (KEYSLOT_NOT_FOUND, TOKEN_NOT_FOUND), RESOURCE_EXHAUSTED (KEYSLOTS_FULL, TOKENS_FULL,
// TOKEN_AREA_FULL, DISK_FULL), FAILED_PRECONDITION (DEVICE_IN_USE), ABORTED (HEADER_CHANGED by
// somebody else since it was read: nothing was done, and it has been read again). A change is
// durable when the call returns, and where a crash interrupts it the header is the one before or
// the one after. Not thread-safe.
class Luks {
 public:
  // AES-256-XTS under `volume_key`, with no keyslot. FAILED_PRECONDITION: DEVICE_IN_USE,
  // SIGNATURE_FOUND unless told to destroy, DEVICE_TOO_SMALL.
  static Result<Luks> Format(const std::string& path, const SecretBytes& volume_key,
                             const FormatOptions& options);

  // `header_file` when the header is detached; `shown_as` in messages. FAILED_PRECONDITION:
  // NOT_LUKS, LUKS1_HEADER, LUKS_HEADER_DAMAGED when no copy of it is sound.
  static Result<Luks> Open(const std::string& path, const std::string& header_file = "",
                           const std::string& shown_as = "");

  Luks(Luks&&) noexcept;
  Luks& operator=(Luks&&) noexcept;
  ~Luks();

  const std::string& path() const;
  std::string uuid() const;
  std::string label() const;

  std::vector<Keyslot> Keyslots() const;
  // Each returns the keyslot's number.
  Result<int> AddKeyslot(const SecretBytes& volume_key, const SecretBytes& passphrase,
                         const KeyslotCost& cost);
  Result<int> AddKeyslotByPassphrase(const SecretBytes& existing, const SecretBytes& passphrase,
                                     const KeyslotCost& cost);
  // At each moment the old or the new passphrase opens; the keyslot's number stays. A crash may
  // leave a second keyslot, and tokens assigned to both. So a keyslot that a token has the secret
  // of is better not changed: add one, write the token anew with its number, destroy the old one.
  // RESOURCE_EXHAUSTED (KEYSLOTS_FULL) where there is no room for both.
  Result<int> ChangePassphrase(int keyslot, const SecretBytes& old_passphrase,
                               const SecretBytes& new_passphrase, const KeyslotCost& cost);
  // The last one too.
  Status DestroyKeyslot(int keyslot);
  // Which keyslot it opens, of all or of one. While the volume is re-encrypted it has to open both
  // keys.
  Result<int> TestPassphrase(const SecretBytes& passphrase,
                             std::optional<int> keyslot = std::nullopt) const;
  // The same, and of one key alone where the other's keyslots are gone, as a re-encryption that was
  // broken off at its very end leaves them.
  Result<int> FindKeyslot(const SecretBytes& passphrase) const;
  Result<SecretBytes> VolumeKey(const SecretBytes& passphrase,
                                std::optional<int> keyslot = std::nullopt) const;
  // PERMISSION_DENIED (VOLUME_KEY_WRONG).
  Status VerifyVolumeKey(const SecretBytes& volume_key) const;

  std::vector<Token> Tokens() const;
  Result<std::string> TokenJson(int token) const;
  // The token's number: a free one, or `token`, whose content it replaces. INVALID_ARGUMENT
  // (TOKEN_MALFORMED).
  Result<int> SetToken(const std::string& json, std::optional<int> token = std::nullopt);
  Status RemoveToken(int token);
  Status AssignToken(int token, int keyslot);
  Status UnassignToken(int token, int keyslot);

  // Header and keyslots into a new file (mode 0600), which is there as a whole or not at all.
  // Whoever has it and an old passphrase opens the volume. ALREADY_EXISTS.
  Status BackUpHeader(const std::string& file) const;
  // FAILED_PRECONDITION (OTHER_VOLUME) unless told, when the backup is not of the volume that is
  // there: another UUID, or no header at all. A damaged header is replaced.
  static Status RestoreHeader(const std::string& path, const std::string& file,
                              bool over_other_volume = false);

  // Destroys all keyslots: nothing but a backup of the header opens the volume again.
  Status EraseKeyslots();
  // And then overwrites header and keyslots, so that nothing says that a volume was here.
  Status WipeHeader();

  // For this module's other uses of libcryptsetup.
  CryptDevice& device() const { return *device_; }

 private:
  explicit Luks(std::unique_ptr<CryptDevice> device);

  std::unique_ptr<CryptDevice> device_;
};

}  // namespace seaworthy::volumes
