// Calls of the module that are interrupted everywhere, on the volume "data".
#pragma once

#include <string>

#include "component/modules/volumes/secrets.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::testing {

// `file`: takes the recovery key that was made, or has the one that opens the volume; to back up,
// the certificate. A volume that others made has the passphrase "old".
inline Status MakeModuleChange(tpm::Broker& broker, const std::string& state,
                               const std::string& device, const std::string& change,
                               const std::string& file) {
  using namespace volumes;
  const Deadline soon = DeadlineIn(std::chrono::seconds(30));
  Events events;
  Volumes module(broker, events, {state, "", "/nobody"});
  RETURN_IF_ERROR(module.Start());
  if (change == "refresh") {
    ASSIGN_OR_RETURN(const Bytes key, ReadFile(file, 4096));
    Volumes::RefreshOptions options;
    options.unexplained = true;
    const VolumeSecret recovery_key{VolumeSecret::Kind::kRecoveryKey, SecretBytes::Copy(key),
                                    false};
    return module.RefreshPolicy(soon, "data", recovery_key, options).status();
  }
  if (change == "add") return module.AddTpm(soon, "data", {}, {}).status();
  if (change == "rekey") {
    const auto show = [&](const SecretBytes& key) { return ReplaceFile(file, key.view(), 0600); };
    return module.RekeyAll(soon, "data", {}, show).status();
  }
  if (change == "backup") {
    ASSIGN_OR_RETURN(const Bytes certificate, ReadFile(file, 65536));
    ASSIGN_OR_RETURN(const std::string backup,
                     module.BackUp(soon, "data", {}, std::string(AsText(certificate))));
    return ReplaceFile(file + ".backup", AsBytes(backup), 0600);
  }
  Result<EnrolledVolume> made = EnrolledVolume();
  if (change == "format") {
    NewVolume wanted;
    wanted.entry = {"data", device, "", false, {}};
    wanted.destroy = true;
    made = module.Format(soon, wanted);
  } else {
    Volumes::Enrolment wanted;
    wanted.entry = {"data", device, "", false, {}};
    wanted.ways_in.emplace_back();
    wanted.add_recovery_key = true;
    made = module.Enrol(soon, wanted, {VolumeSecret::Kind::kPassphrase, Secret("old"), true});
  }
  RETURN_IF_ERROR(made.status());
  return ReplaceFile(file, made->recovery_key.view(), 0600);
}

}  // namespace seaworthy::testing
