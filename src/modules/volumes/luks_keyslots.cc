#include <algorithm>
#include <utility>

#include "modules/volumes/crypt_device.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// The library takes an empty passphrase, which everybody guesses first.
Status CheckPassphrase(const SecretBytes& passphrase) {
  if (!passphrase.empty()) return {};
  return Fail(Code::kInvalidArgument, "PASSPHRASE_EMPTY", "passphrase: is empty");
}

Status CheckKeyslot(CryptDevice& device, int keyslot) {
  switch (crypt_keyslot_status(device.get(), keyslot)) {
    case CRYPT_SLOT_INVALID:
    case CRYPT_SLOT_INACTIVE:
      return Fail(Code::kNotFound, "KEYSLOT_NOT_FOUND",
                  device.shown_as() + ": has no keyslot " + std::to_string(keyslot));
    default:
      return {};
  }
}

// Whether one more keyslot finds room, as the library looks for it: a free number, and a gap in the
// keyslots area for the volume key spread to 4000 stripes.
bool HasRoom(crypt_device* handle) {
  constexpr std::uint64_t kStripes = 4000;
  constexpr std::uint64_t kBlock = 4096;
  const auto key = static_cast<std::uint64_t>(crypt_get_volume_key_size(handle));
  const std::uint64_t needed = (key * kStripes + kBlock - 1) / kBlock * kBlock;
  std::uint64_t metadata = 0;
  std::uint64_t keyslots = 0;
  if (crypt_get_metadata_size(handle, &metadata, &keyslots) != 0) return false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> areas;  // offset, length
  for (int id = 0; id < crypt_keyslot_max(CRYPT_LUKS2); ++id) {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    if (crypt_keyslot_area(handle, id, &offset, &length) == 0) areas.emplace_back(offset, length);
  }
  if (areas.size() == static_cast<std::size_t>(crypt_keyslot_max(CRYPT_LUKS2))) return false;
  std::ranges::sort(areas);
  areas.emplace_back(2 * metadata + keyslots, 0);
  std::uint64_t free_from = 2 * metadata;
  for (const auto& [offset, length] : areas) {
    if (offset >= free_from + needed) return true;
    free_from = offset + length;
  }
  return false;
}

// Of all keyslots the library reports the last one's error, and one that is not bound, or is no
// passphrase's, is as one that is not there.
Result<int> NoneOpened(const Luks& luks, const Result<int>& opened) {
  if (Reason(opened.status()) != "KEYSLOT_NOT_FOUND" || luks.Keyslots().empty()) return opened;
  return Fail(Code::kPermissionDenied, "PASSPHRASE_WRONG",
              luks.path() + ": the passphrase opens no keyslot");
}

// To the library metadata without room are a full disk.
Result<int> Fits(const CryptDevice& device, const Result<int>& added) {
  if (Reason(added.status()) != "DISK_FULL") return added;
  return Fail(Code::kResourceExhausted, "TOKEN_AREA_FULL",
              device.shown_as() + ": the header has no room to describe another keyslot");
}

}  // namespace

std::vector<Keyslot> Luks::Keyslots() const {
  std::vector<Keyslot> keyslots;
  for (int id = 0; id < crypt_keyslot_max(CRYPT_LUKS2); ++id) {
    if (!CheckKeyslot(*device_, id).ok()) continue;
    crypt_pbkdf_type pbkdf = {};
    // Re-encryption keeps its state in a keyslot that no passphrase opens.
    if (crypt_keyslot_get_pbkdf(device_->get(), id, &pbkdf) != 0) continue;
    keyslots.push_back({
        .id = id,
        .bound = crypt_keyslot_status(device_->get(), id) != CRYPT_SLOT_UNBOUND,
        .kdf = pbkdf.type,
        .cost = {pbkdf.iterations, pbkdf.max_memory_kb, pbkdf.parallel_threads},
    });
  }
  return keyslots;
}

Result<int> Luks::AddKeyslot(const SecretBytes& volume_key, const SecretBytes& passphrase,
                             const KeyslotCost& cost) {
  RETURN_IF_ERROR(CheckPassphrase(passphrase));
  RETURN_IF_ERROR(VerifyVolumeKey(volume_key));
  RETURN_IF_ERROR(device_->SetCost(cost));
  const auto add = [&](crypt_device* handle) {
    return crypt_keyslot_add_by_volume_key(handle, CRYPT_ANY_SLOT, AsChars(volume_key),
                                           volume_key.size(), AsChars(passphrase),
                                           passphrase.size());
  };
  return Fits(*device_, device_->Change("add a keyslot", add));
}

Result<int> Luks::AddKeyslotByPassphrase(const SecretBytes& existing, const SecretBytes& passphrase,
                                         const KeyslotCost& cost) {
  RETURN_IF_ERROR(CheckPassphrase(existing));
  RETURN_IF_ERROR(CheckPassphrase(passphrase));
  RETURN_IF_ERROR(device_->SetCost(cost));
  const auto add = [&](crypt_device* handle) {
    return crypt_keyslot_add_by_passphrase(handle, CRYPT_ANY_SLOT, AsChars(existing),
                                           existing.size(), AsChars(passphrase), passphrase.size());
  };
  return NoneOpened(*this, Fits(*device_, device_->Change("add a keyslot", add)));
}

Result<int> Luks::ChangePassphrase(int keyslot, const SecretBytes& old_passphrase,
                                   const SecretBytes& new_passphrase, const KeyslotCost& cost) {
  RETURN_IF_ERROR(CheckPassphrase(old_passphrase));
  RETURN_IF_ERROR(CheckPassphrase(new_passphrase));
  RETURN_IF_ERROR(CheckKeyslot(*device_, keyslot));
  RETURN_IF_ERROR(device_->SetCost(cost));
  // Given any number the library writes another keyslot, swaps the numbers, and wipes then. But
  // without room for another one it silently does as when given the same number: it wipes the
  // keyslot, and then writes it.
  if (!HasRoom(device_->get())) {
    return Fail(Code::kResourceExhausted, "KEYSLOTS_FULL",
                path() + ": has no room for a keyslot beside the one to be changed");
  }
  return device_->Change("change a passphrase", [&](crypt_device* handle) {
    return crypt_keyslot_change_by_passphrase(handle, keyslot, CRYPT_ANY_SLOT,
                                              AsChars(old_passphrase), old_passphrase.size(),
                                              AsChars(new_passphrase), new_passphrase.size());
  });
}

Status Luks::DestroyKeyslot(int keyslot) {
  RETURN_IF_ERROR(CheckKeyslot(*device_, keyslot));
  return device_
      ->Change("destroy a keyslot",
               [&](crypt_device* handle) { return crypt_keyslot_destroy(handle, keyslot); })
      .status();
}

Result<int> Luks::TestPassphrase(const SecretBytes& passphrase, std::optional<int> keyslot) const {
  RETURN_IF_ERROR(CheckPassphrase(passphrase));
  Result<int> opened = device_->Call("open a keyslot", [&](crypt_device* handle) {
    return crypt_activate_by_passphrase(handle, nullptr, keyslot.value_or(CRYPT_ANY_SLOT),
                                        AsChars(passphrase), passphrase.size(), 0);
  });
  if (!keyslot) return NoneOpened(*this, opened);
  return opened;
}

Result<int> Luks::FindKeyslot(const SecretBytes& passphrase) const {
  const Result<int> opened = TestPassphrase(passphrase);
  crypt_params_reencrypt ignored = {};
  if (opened.ok() || crypt_reencrypt_status(device_->get(), &ignored) == CRYPT_REENCRYPT_NONE) {
    return opened;
  }
  for (const Keyslot& keyslot : Keyslots()) {
    if (VolumeKey(passphrase, keyslot.id).ok()) return keyslot.id;
  }
  return opened;
}

Result<SecretBytes> Luks::VolumeKey(const SecretBytes& passphrase,
                                    std::optional<int> keyslot) const {
  RETURN_IF_ERROR(CheckPassphrase(passphrase));
  ASSIGN_OR_RETURN(const int size, device_->Call("get the volume key", crypt_get_volume_key_size));
  SecretBytes key(static_cast<std::size_t>(size));
  std::size_t filled = key.size();
  const Result<int> opened = device_->Call("get the volume key", [&](crypt_device* handle) {
    return crypt_volume_key_get(handle, keyslot.value_or(CRYPT_ANY_SLOT),
                                reinterpret_cast<char*>(key.data()), &filled, AsChars(passphrase),
                                passphrase.size());
  });
  RETURN_IF_ERROR((keyslot ? opened : NoneOpened(*this, opened)).status());
  return key;
}

Status Luks::VerifyVolumeKey(const SecretBytes& volume_key) const {
  const Result<int> verified = device_->Call("verify the volume key", [&](crypt_device* handle) {
    return crypt_volume_key_verify(handle, AsChars(volume_key), volume_key.size());
  });
  if (Reason(verified.status()) != "PASSPHRASE_WRONG") return verified.status();
  return Fail(Code::kPermissionDenied, "VOLUME_KEY_WRONG", path() + ": is not its volume key");
}

Status Luks::EraseKeyslots() {
  for (int id = 0; id < crypt_keyslot_max(CRYPT_LUKS2); ++id) {
    if (CheckKeyslot(*device_, id).ok()) RETURN_IF_ERROR(DestroyKeyslot(id));
  }
  return {};
}

}  // namespace seaworthy::volumes
