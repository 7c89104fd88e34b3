#include "seaworthy/modules/volumes/activation.h"

#include <filesystem>

#include "modules/volumes/crypt_device.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

std::uint32_t FlagsOf(const ActivationOptions& options) {
  return (options.read_only ? CRYPT_ACTIVATE_READONLY : 0) |
         (options.allow_discards ? CRYPT_ACTIVATE_ALLOW_DISCARDS : 0) |
         (options.no_read_workqueue ? CRYPT_ACTIVATE_NO_READ_WORKQUEUE : 0) |
         (options.no_write_workqueue ? CRYPT_ACTIVATE_NO_WRITE_WORKQUEUE : 0);
}

// The library answers in several ways when the kernel has no device mapper.
Status Explain(const Status& status) {
  std::error_code ignored;
  if (status.ok() || std::filesystem::exists("/sys/class/misc/device-mapper", ignored)) {
    return status;
  }
  return Fail(Code::kFailedPrecondition, "DEVICE_MAPPER_MISSING",
              Message(status) + ": this kernel has no device mapper, or hides it");
}

}  // namespace

Result<int> Activate(const Luks& luks, const std::string& name, const SecretBytes& passphrase,
                     const ActivationOptions& options) {
  // Without a name the library only tests the passphrase.
  if (name.empty()) {
    return Fail(Code::kInvalidArgument, "NAME_EMPTY", "name: is empty");
  }
  Result<int> keyslot = luks.device().Call("activate " + name, [&](crypt_device* handle) {
    return crypt_activate_by_passphrase(handle, name.c_str(), CRYPT_ANY_SLOT, AsChars(passphrase),
                                        passphrase.size(), FlagsOf(options));
  });
  if (!keyslot.ok()) return Explain(keyslot.status());
  return keyslot;
}

Status ActivateByVolumeKey(const Luks& luks, const std::string& name, const SecretBytes& volume_key,
                           const ActivationOptions& options) {
  RETURN_IF_ERROR(luks.VerifyVolumeKey(volume_key));
  return Explain(luks.device()
                     .Call("activate " + name,
                           [&](crypt_device* handle) {
                             return crypt_activate_by_volume_key(
                                 handle, name.c_str(), AsChars(volume_key), volume_key.size(),
                                 FlagsOf(options));
                           })
                     .status());
}

Result<ActiveState> GetActiveState(const std::string& name) {
  ASSIGN_OR_RETURN(const auto device, CryptDevice::CreateForName(name));
  switch (crypt_status(device->get(), name.c_str())) {
    case CRYPT_INACTIVE:
      return ActiveState::kInactive;
    case CRYPT_ACTIVE:
      return ActiveState::kActive;
    case CRYPT_BUSY:
      return ActiveState::kBusy;
    default:
      return Explain(Fail(Code::kInternal, "DEVICE_IO", name + ": its state can't be told"));
  }
}

Status Deactivate(const std::string& name, bool deferred) {
  // Asked first: of a name that it can't find the library would tell standard error.
  ASSIGN_OR_RETURN(const ActiveState state, GetActiveState(name));
  if (state == ActiveState::kInactive) {
    return Fail(Code::kNotFound, "VOLUME_NOT_ACTIVE", name + ": is not active");
  }
  ASSIGN_OR_RETURN(const auto device, CryptDevice::CreateOfActive(name));
  return device
      ->Call("deactivate",
             [&](crypt_device* handle) {
               return crypt_deactivate_by_name(handle, name.c_str(),
                                               deferred ? CRYPT_DEACTIVATE_DEFERRED : 0);
             })
      .status();
}

}  // namespace seaworthy::volumes
