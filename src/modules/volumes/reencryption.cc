#include "seaworthy/modules/volumes/reencryption.h"

#include "modules/volumes/crypt_device.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// Adds keyslots that open the next volume key, and takes them back unless told to keep them.
class NextKeyslots {
 public:
  NextKeyslots(Luks& luks, const SecretBytes& volume_key) : luks_(luks), volume_key_(volume_key) {}
  NextKeyslots(const NextKeyslots&) = delete;
  NextKeyslots& operator=(const NextKeyslots&) = delete;
  ~NextKeyslots() {
    for (const int id : ids_) (void)luks_.DestroyKeyslot(id);
  }

  Status Add(const SecretBytes& passphrase, const KeyslotCost& cost) {
    RETURN_IF_ERROR(luks_.device().SetCost(cost));
    const std::uint32_t reuse = ids_.empty() ? 0 : CRYPT_VOLUME_KEY_DIGEST_REUSE;
    ASSIGN_OR_RETURN(
        const int id, luks_.device().Change("add the next keyslot", [&](crypt_device* handle) {
          return crypt_keyslot_add_by_key(handle, CRYPT_ANY_SLOT, AsChars(volume_key_),
                                          volume_key_.size(), AsChars(passphrase),
                                          passphrase.size(), CRYPT_VOLUME_KEY_NO_SEGMENT | reuse);
        }));
    ids_.push_back(id);
    return {};
  }

  const std::vector<int>& ids() const { return ids_; }
  std::vector<int> Keep() { return std::exchange(ids_, {}); }

 private:
  Luks& luks_;
  const SecretBytes& volume_key_;
  std::vector<int> ids_;
};

struct Run {
  const ReencryptionProgress& progress;
  bool interrupted = false;
};

int OnProgress(std::uint64_t size, std::uint64_t offset, void* data) {
  Run& run = *static_cast<Run*>(data);
  run.interrupted = run.progress && !run.progress(offset, size);
  return run.interrupted ? 1 : 0;
}

crypt_params_reencrypt Parameters(const crypt_params_luks2& luks2, std::uint32_t flags) {
  crypt_params_reencrypt parameters = {};
  parameters.mode = CRYPT_REENCRYPT_REENCRYPT;
  parameters.direction = CRYPT_REENCRYPT_FORWARD;
  // Checksums of the sectors under way tell after a crash which were written already.
  parameters.resilience = "checksum";
  parameters.hash = "sha256";
  parameters.luks2 = &luks2;
  parameters.flags = flags;
  return parameters;
}

}  // namespace

Result<ReencryptionState> GetReencryptionState(const Luks& luks) {
  crypt_params_reencrypt parameters = {};
  switch (crypt_reencrypt_status(luks.device().get(), &parameters)) {
    case CRYPT_REENCRYPT_NONE:
      return ReencryptionState::kNone;
    case CRYPT_REENCRYPT_CLEAN:
      return ReencryptionState::kPaused;
    case CRYPT_REENCRYPT_CRASH:
      return ReencryptionState::kCrashed;
    default:
      return Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
                  luks.path() + ": the header's state of a re-encryption makes no sense");
  }
}

Result<std::vector<int>> StartReencryption(Luks& luks, const SecretBytes& passphrase,
                                           const KeyslotCost& cost,
                                           const SecretBytes& new_volume_key,
                                           std::span<const NextKeyslot> further) {
  ASSIGN_OR_RETURN(const ReencryptionState state, GetReencryptionState(luks));
  if (state != ReencryptionState::kNone) {
    return Fail(Code::kFailedPrecondition, "REENCRYPTION_UNDER_WAY",
                luks.path() + ": is being re-encrypted already");
  }
  if (new_volume_key.size() != kVolumeKeyBytes || luks.VerifyVolumeKey(new_volume_key).ok()) {
    return Fail(Code::kInvalidArgument, "VOLUME_KEY_SIZE",
                "new_volume_key: has not " + std::to_string(kVolumeKeyBytes) +
                    " bytes, or is the volume key already");
  }
  ASSIGN_OR_RETURN(const int old_keyslot, luks.TestPassphrase(passphrase));
  NextKeyslots next(luks, new_volume_key);
  RETURN_IF_ERROR(next.Add(passphrase, cost));
  for (const NextKeyslot& one : further) RETURN_IF_ERROR(next.Add(one.passphrase, one.cost));

  crypt_params_luks2 luks2 = {};
  luks2.sector_size = static_cast<std::uint32_t>(crypt_get_sector_size(luks.device().get()));
  const crypt_params_reencrypt parameters = Parameters(luks2, CRYPT_REENCRYPT_INITIALIZE_ONLY);
  RETURN_IF_ERROR(luks.device()
                      .Change("start the re-encryption",
                              [&](crypt_device* handle) {
                                return crypt_reencrypt_init_by_passphrase(
                                    handle, nullptr, AsChars(passphrase), passphrase.size(),
                                    old_keyslot, next.ids().front(), "aes", "xts-plain64",
                                    &parameters);
                              })
                      .status());
  return next.Keep();
}

Status RunReencryption(Luks& luks, const SecretBytes& passphrase,
                       const ReencryptionProgress& progress) {
  ASSIGN_OR_RETURN(const ReencryptionState state, GetReencryptionState(luks));
  if (state == ReencryptionState::kNone) {
    return Fail(Code::kFailedPrecondition, "REENCRYPTION_NOT_STARTED",
                luks.path() + ": is not being re-encrypted");
  }
  const crypt_params_luks2 luks2 = {};
  const crypt_params_reencrypt parameters = Parameters(luks2, CRYPT_REENCRYPT_RESUME_ONLY);
  RETURN_IF_ERROR(luks.device()
                      .Call("resume the re-encryption",
                            [&](crypt_device* handle) {
                              return crypt_reencrypt_init_by_passphrase(
                                  handle, nullptr, AsChars(passphrase), passphrase.size(),
                                  CRYPT_ANY_SLOT, CRYPT_ANY_SLOT, nullptr, nullptr, &parameters);
                            })
                      .status());
  Run run = {.progress = progress};
  const Status status =
      luks.device()
          .Call("re-encrypt",
                [&](crypt_device* handle) { return crypt_reencrypt_run(handle, OnProgress, &run); })
          .status();
  ASSIGN_OR_RETURN(const ReencryptionState now, GetReencryptionState(luks));
  if (run.interrupted && now != ReencryptionState::kNone) {
    return Fail(Code::kCancelled, "REENCRYPTION_PAUSED", luks.path() + ": paused");
  }
  return status;
}

}  // namespace seaworthy::volumes
