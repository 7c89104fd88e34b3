#include "seaworthy/modules/volumes/ways_in.h"

#include <algorithm>
#include <optional>

#include "modules/volumes/crypto.h"
#include "modules/volumes/pcr_indices.h"
#include "seaworthy/base64.h"
#include "seaworthy/modules/volumes/recovery_key.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSaltBytes = 32;

// Of the kernel's randomness and the TPM's: whoever knows one of them knows nothing of it.
Result<SecretBytes> MakeSecret(tpm::Context& context) {
  ASSIGN_OR_RETURN(const SecretBytes of_tpm, tpm::Random(context, kSecretBytes));
  ASSIGN_OR_RETURN(const SecretBytes of_kernel, RandomSecret(kSecretBytes));
  SecretBytes both(2 * kSecretBytes);
  std::ranges::copy(of_tpm.view(), both.mutable_view().begin());
  std::ranges::copy(of_kernel.view(), both.mutable_view().subspan(kSecretBytes).begin());
  return Hkdf(Hash::kSha256, both.view(), AsBytes("seaworthy volume secret"));
}

struct Sealed {
  SystemdTpm2Token token;
  SecretBytes passphrase;
};

Result<SecretBytes> Authorization(const TpmWayIn& way, Bytes& salt) {
  if (!way.policy.pin) return SecretBytes();
  if (way.pin == nullptr) return Fail(Code::kInvalidArgument, "PIN_MISSING", "there is no PIN");
  if (way.legacy_parent) return tpm::PinAuthValue252(*way.pin);
  ASSIGN_OR_RETURN(const SecretBytes random, RandomSecret(kSaltBytes));
  salt.assign(random.view().begin(), random.view().end());
  return tpm::PinAuthValueSalted(*way.pin, salt);
}

Result<Sealed> SealSecret(tpm::Context& context, const TpmWayIn& way) {
  Sealed sealed;
  ASSIGN_OR_RETURN(const SecretBytes authorization, Authorization(way, sealed.token.salt));
  ASSIGN_OR_RETURN(const SecretBytes secret, MakeSecret(context));
  const auto parent =
      way.legacy_parent ? tpm::SealParent::kLegacyEcc : tpm::SealParent::kStorageRootKey;
  ASSIGN_OR_RETURN(const tpm::SealedObject object,
                   tpm::Seal(context, parent, way.policy, authorization, secret));
  sealed.passphrase = Base64Secret(secret.view());
  sealed.token.blob = tpm::ToBlob(object);
  ASSIGN_OR_RETURN(sealed.token.policy_hash, tpm::PolicyDigest(way.policy));
  sealed.token.primary_alg = "ecc";
  sealed.token.pcrs = Indices(way.policy.pcrs.selection.mask);
  sealed.token.pcr_bank = tpm::ToString(way.policy.pcrs.selection.bank);
  sealed.token.pin = way.policy.pin;
  if (way.policy.signed_pcrs.has_value()) {
    sealed.token.public_key = way.policy.signed_pcrs->public_key;
    sealed.token.public_key_pcrs = Indices(way.policy.signed_pcrs->selection.mask);
    sealed.token.pcr_bank = tpm::ToString(way.policy.signed_pcrs->selection.bank);
  }
  if (!way.legacy_parent) {
    ASSIGN_OR_RETURN(sealed.token.srk, tpm::SerializeSrk(context));
  }
  return sealed;
}

bool UnderSrk(const std::string& json) {
  const auto token = ParseSystemdTpm2Token(json);
  return token.ok() && !token->srk.empty();
}

// systemd 252 gives up at the first token that the legacy parent did not make: those of the storage
// root key go behind it, one place each. The number of the token that is now at `token`'s content.
Result<int> MoveBeforeSrk(Luks& luks, int token) {
  ASSIGN_OR_RETURN(const std::string legacy, luks.TokenJson(token));
  for (const Token& other : luks.Tokens()) {
    if (other.id >= token || other.type != kSystemdTpm2) continue;
    ASSIGN_OR_RETURN(const std::string json, luks.TokenJson(other.id));
    if (!UnderSrk(json)) continue;
    RETURN_IF_ERROR(luks.SetToken(legacy, other.id).status());
    RETURN_IF_ERROR(luks.SetToken(json, token).status());
    return other.id;
  }
  return token;
}

}  // namespace

Result<OpenWayIn> AddTpmWayIn(tpm::Broker& broker, Deadline deadline, Luks& luks,
                              const SecretBytes& volume_key, const TpmWayIn& way) {
  Result<Sealed> sealed =
      broker.Run(deadline, [&](tpm::Context& context) { return SealSecret(context, way); });
  if (!sealed.ok()) return sealed.status();
  ASSIGN_OR_RETURN(const int keyslot,
                   luks.AddKeyslot(volume_key, sealed->passphrase, KeyslotCost::ForRandomSecret()));
  sealed->token.keyslot = static_cast<std::uint32_t>(keyslot);
  ASSIGN_OR_RETURN(int token, luks.SetToken(ToJson(sealed->token)));
  if (way.legacy_parent) {
    ASSIGN_OR_RETURN(token, MoveBeforeSrk(luks, token));
  }
  return OpenWayIn{sealed->token.keyslot, static_cast<std::uint32_t>(token),
                   std::move(sealed->passphrase)};
}

Result<OpenWayIn> AddRecoveryKey(tpm::Broker& broker, Deadline deadline, Luks& luks,
                                 const SecretBytes& volume_key) {
  const Result<SecretBytes> secret =
      broker.Run(deadline, [](tpm::Context& context) { return MakeSecret(context); });
  if (!secret.ok()) return secret.status();
  ASSIGN_OR_RETURN(SecretBytes passphrase, MakeRecoveryKey(*secret));
  ASSIGN_OR_RETURN(const int keyslot,
                   luks.AddKeyslot(volume_key, passphrase, KeyslotCost::ForRandomSecret()));
  SystemdRecoveryToken token;
  token.keyslot = static_cast<std::uint32_t>(keyslot);
  ASSIGN_OR_RETURN(const int number, luks.SetToken(ToJson(token)));
  return OpenWayIn{token.keyslot, static_cast<std::uint32_t>(number), std::move(passphrase)};
}

Status RemoveWayIn(Luks& luks, std::uint32_t keyslot) {
  const std::vector<Keyslot> keyslots = luks.Keyslots();
  const int number = static_cast<int>(keyslot);
  if (std::ranges::find(keyslots, number, &Keyslot::id) == keyslots.end()) {
    return Fail(Code::kNotFound, "KEYSLOT_NOT_FOUND",
                "there is no keyslot " + std::to_string(keyslot));
  }
  if (keyslots.size() == 1) {
    return Fail(Code::kFailedPrecondition, "LAST_WAY_IN",
                "keyslot " + std::to_string(keyslot) + " is the last one that opens the volume");
  }
  for (const Token& token : luks.Tokens()) {
    if (token.keyslots != std::vector{number}) continue;
    RETURN_IF_ERROR(luks.RemoveToken(token.id));
  }
  return luks.DestroyKeyslot(number);
}

}  // namespace seaworthy::volumes
