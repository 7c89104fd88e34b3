#include "seaworthy/modules/volumes/reencryption.h"

#include "modules/volumes/crypt_device.h"
#include "modules/volumes/metadata_write.h"
#include "modules/volumes/reencryption_end.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// What is re-encrypted between two writes of the header: large enough that they cost little, small
// enough that it is soon interrupted.
constexpr std::uint64_t kPart = std::uint64_t{8} << 20;

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
    ASSIGN_OR_RETURN(
        const int id, luks_.device().Change("add the next keyslot", [&](crypt_device* handle) {
          return crypt_keyslot_add_by_key(
              handle, CRYPT_ANY_SLOT, AsChars(volume_key_), volume_key_.size(), AsChars(passphrase),
              passphrase.size(), CRYPT_VOLUME_KEY_NO_SEGMENT | CRYPT_VOLUME_KEY_DIGEST_REUSE);
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
  parameters.max_hotzone_size = kPart / 512;
  parameters.luks2 = &luks2;
  parameters.flags = flags;
  return parameters;
}

Status Resume(Luks& luks, const SecretBytes& passphrase, std::uint32_t flags) {
  const crypt_params_luks2 luks2 = {};
  const crypt_params_reencrypt parameters = Parameters(luks2, flags);
  const auto init = [&](crypt_device* handle) {
    return crypt_reencrypt_init_by_passphrase(handle, nullptr, AsChars(passphrase),
                                              passphrase.size(), CRYPT_ANY_SLOT, CRYPT_ANY_SLOT,
                                              nullptr, nullptr, &parameters);
  };
  const Status status = luks.device().Call("resume the re-encryption", init).status();
  // The library looks for keyslots that it opens, and finds none.
  if (Reason(status) != "KEYSLOT_NOT_FOUND") return status;
  return Fail(Code::kPermissionDenied, "PASSPHRASE_WRONG",
              luks.path() + ": the passphrase does not open both keys");
}

Status WipeKeyslot(CryptDevice& device, int id) {
  const auto wipe = [&](crypt_device* handle) {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    const int rc = crypt_keyslot_area(handle, id, &offset, &length);
    if (rc < 0) return rc;
    return crypt_wipe(handle, device.header_path().c_str(), CRYPT_WIPE_RANDOM, offset, length,
                      length, 0, nullptr, nullptr);
  };
  return device.Call("wipe an old keyslot", wipe).status();
}

bool OpensAnother(const Luks& luks, const SecretBytes& passphrase, const std::vector<int>& unused) {
  return std::ranges::any_of(luks.Keyslots(), [&](const Keyslot& keyslot) {
    return std::ranges::count(unused, keyslot.id) == 0 &&
           luks.VolumeKey(passphrase, keyslot.id).ok();
  });
}

// Ends the re-encryption when only that is left to do: whether it was.
Result<bool> EndIfOver(Luks& luks, const SecretBytes& passphrase) {
  CryptDevice& device = luks.device();
  const char* json = nullptr;
  const auto dump = [&](crypt_device* handle) { return crypt_dump_json(handle, &json, 0); };
  RETURN_IF_ERROR(device.Call("read the metadata", dump).status());
  ASSIGN_OR_RETURN(const auto end, FindReencryptionEnd(json));
  if (!end) return false;
  if (!OpensAnother(luks, passphrase, end->unused_keyslots)) {
    return Fail(Code::kPermissionDenied, "PASSPHRASE_WRONG",
                luks.path() + ": the passphrase does not open the new key");
  }
  for (const int id : end->unused_keyslots) RETURN_IF_ERROR(WipeKeyslot(device, id));
  const std::string path = device.path();
  const std::string header = device.header_path();
  RETURN_IF_ERROR(ReplaceMetadata(header, end->json));
  ASSIGN_OR_RETURN(luks, Luks::Open(path, header == path ? "" : header));
  return true;
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
  if (state == ReencryptionState::kCrashed) {
    RETURN_IF_ERROR(Resume(luks, passphrase, CRYPT_REENCRYPT_RECOVERY));
    ASSIGN_OR_RETURN(const ReencryptionState mended, GetReencryptionState(luks));
    if (mended == ReencryptionState::kNone) return {};  // it was at the last part
  }
  ASSIGN_OR_RETURN(const bool over, EndIfOver(luks, passphrase));
  if (over) return {};
  RETURN_IF_ERROR(Resume(luks, passphrase, CRYPT_REENCRYPT_RESUME_ONLY));
  Run run = {.progress = progress};
  Status status =
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
