// The changes of a volume that are interrupted everywhere. It begins with the key KeyOf(1), the
// passphrases "first" (keyslot 0, token 0) and "second" (keyslot 1).
#pragma once

#include <string>

#include "component/modules/volumes/secrets.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/erase.h"
#include "seaworthy/modules/volumes/header_backup.h"
#include "seaworthy/modules/volumes/header_copy.h"
#include "seaworthy/modules/volumes/reencryption.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::testing {

inline constexpr char kOldToken[] = R"({"type":"t","keyslots":["0"],"v":"old"})";
inline constexpr char kNewToken[] = R"({"type":"t","keyslots":["0"],"v":"new"})";

// The second passphrase for a third one, and a new token: several steps, and one change.
inline Status ChangeCopy(const std::string& volume) {
  ASSIGN_OR_RETURN(volumes::HeaderCopy copy, volumes::HeaderCopy::Take(volume));
  ASSIGN_OR_RETURN(volumes::Luks luks, copy.OpenAlone());
  RETURN_IF_ERROR(luks.AddKeyslot(KeyOf(1), Secret("third"), {}).status());
  RETURN_IF_ERROR(luks.DestroyKeyslot(1));
  RETURN_IF_ERROR(luks.SetToken(kNewToken, 0).status());
  return copy.PutBack();
}

// Of any volume with an image of its header.
inline Status RestoreImage(const std::string& volume, const std::string& file) {
  ASSIGN_OR_RETURN(const Bytes image, ReadFile(file, std::size_t{16} << 20));
  return volumes::RestoreHeader(volume, image, false);
}

// Of any volume with a counter in the TPM.
inline Status Erase(const std::string& volume, const std::string& tcti) {
  tpm::Broker broker({.tcti = tcti, .state_dir = volume + ".tpm", .on_change = {}});
  return volumes::EraseVolume(broker, DeadlineIn(std::chrono::seconds(20)), volume);
}

// `file`: of the header's backup; the TPM's TCTI to erase a volume.
inline Status MakeChange(const std::string& volume, const std::string& change,
                         const std::string& file) {
  if (change == "restore") return volumes::Luks::RestoreHeader(volume, file);
  if (change == "copy") return ChangeCopy(volume);
  if (change == "image") return RestoreImage(volume, file);
  if (change == "erase") return Erase(volume, file);
  ASSIGN_OR_RETURN(volumes::Luks luks, volumes::Luks::Open(volume));
  if (change == "add") return luks.AddKeyslot(KeyOf(1), Secret("third"), {}).status();
  if (change == "destroy") return luks.DestroyKeyslot(1);
  if (change == "change") {
    return luks.ChangePassphrase(0, Secret("first"), Secret("next"), {}).status();
  }
  if (change == "token") return luks.SetToken(kNewToken, 0).status();
  if (change == "remove") return luks.RemoveToken(0);
  if (change == "backup") return luks.BackUpHeader(file);
  if (change == "start") {
    const SecretBytes second = Secret("second");
    const volumes::NextKeyslot further[] = {{second, {}}};
    return volumes::StartReencryption(luks, Secret("first"), {}, KeyOf(9), further).status();
  }
  return volumes::RunReencryption(luks, Secret("first"), nullptr);
}

}  // namespace seaworthy::testing
