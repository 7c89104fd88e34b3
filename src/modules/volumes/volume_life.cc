// Headers backed up, put back and believed; the end of a volume.
#include "modules/volumes/volumes_state.h"
#include "seaworthy/modules/volumes/erase.h"
#include "seaworthy/modules/volumes/header_backup.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// A header is believed on somebody's word.
Status CheckWord(const VolumeSecret& secret) {
  if (secret.kind != VolumeSecret::Kind::kTpm) return {};
  return Fail(Code::kInvalidArgument, "SECRET_MISSING",
              "secret: a header is believed on the word of who has the recovery key or a "
              "passphrase");
}

Result<Accepted> AcceptBy(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                          const VolumeSecret& secret, const UnlockOptions& options,
                          const NoteGuardKey& note) {
  RETURN_IF_ERROR(CheckWord(secret));
  return secret.kind == VolumeSecret::Kind::kRecoveryKey
             ? AcceptByRecoveryKey(broker, deadline, copy, secret.secret, options, note)
             : AcceptByPassphrase(broker, deadline, copy, secret.secret, options, note);
}

}  // namespace

Result<AcceptedHeader> Volumes::State::AcceptHeld(Deadline deadline, VolumeEntry& entry,
                                                  const VolumeSecret& secret,
                                                  const SecretBytes& pin) const {
  ASSIGN_OR_RETURN(HeaderCopy copy, Take(entry));
  ASSIGN_OR_RETURN(const Registry* registry, this->registry());
  UnlockOptions options = OptionsFor(entry);
  if (!pin.empty()) options.pin = &pin;
  ASSIGN_OR_RETURN(options.signatures, registry->ReadSignatures(entry.name));
  Accepted accepted;
  RETURN_IF_ERROR(UnderNewGuardKey(entry, [&](const NoteGuardKey& note) -> Status {
    ASSIGN_OR_RETURN(accepted, AcceptBy(broker_, deadline, copy, secret, options, note));
    return {};
  }));
  Tell("header_accepted", entry.name, Message(accepted.before));
  return AcceptedHeader{Look(deadline, entry), std::move(accepted)};
}

Result<std::string> Volumes::BackUp(Deadline deadline, const std::string& name,
                                    const VolumeSecret& secret,
                                    const std::string& certificates_pem) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(const HeaderCopy copy, State::Take(held.entry));
  // A header that somebody else has changed is no backup of ours.
  RETURN_IF_ERROR(state_->UnlockHeld(deadline, copy, held.entry, secret).status());
  ASSIGN_OR_RETURN(std::string backup, BackUpHeader(copy, certificates_pem));
  state_->Tell("backed_up", name, "");
  return backup;
}

Result<AcceptedHeader> Volumes::Accept(Deadline deadline, const std::string& name,
                                       const VolumeSecret& secret, const SecretBytes& pin) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  return state_->AcceptHeld(deadline, held.entry, secret, pin);
}

Result<AcceptedHeader> Volumes::Restore(Deadline deadline, const std::string& name,
                                        const VolumeSecret& secret, ByteView image,
                                        bool over_other_volume) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  // What cannot be accepted afterwards is not restored.
  RETURN_IF_ERROR(CheckWord(secret));
  RETURN_IF_ERROR(CheckClosed(held.entry));
  RETURN_IF_ERROR(RestoreHeader(held.entry.device, image, over_other_volume));
  state_->Tell("restored", name, "");
  return state_->AcceptHeld(deadline, held.entry, secret, {});
}

Status Volumes::Erase(Deadline deadline, const std::string& name, const std::string& uuid) {
  ASSIGN_OR_RETURN(const HeldVolume held, state_->Hold(deadline, name));
  if (uuid != held.entry.uuid) {
    return Fail(Code::kFailedPrecondition, "OTHER_VOLUME",
                "uuid: is not that of " + name + ", " + held.entry.uuid);
  }
  RETURN_IF_ERROR(CheckClosed(held.entry));
  const Status erased = EraseVolume(state_->broker(), deadline, held.entry.device);
  // Called again after it was broken off, nothing may be left on the device.
  if (!erased.ok() && Reason(erased) != "NOT_LUKS") return erased;
  ASSIGN_OR_RETURN(const Registry* registry, state_->registry());
  RETURN_IF_ERROR(registry->Remove(name));
  state_->NoteProblem(name, {});
  state_->Tell("erased", name, held.entry.device);
  return {};
}

}  // namespace seaworthy::volumes
