// Everybody else put out: of the secrets, and of the volume key.
#include "modules/volumes/volumes_state.h"
#include "seaworthy/modules/volumes/guarded_reencryption.h"
#include "seaworthy/modules/volumes/rotate.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::chrono::seconds kTpmWait(30);

// The recovery key comes last.
Announce Announced(const Volumes::Show& show) {
  return [&show](const std::vector<OpenWayIn>& ways) { return show(ways.back().passphrase); };
}

}  // namespace

Result<Volume> Volumes::RekeyAll(Deadline deadline, const std::string& name,
                                 const VolumeSecret& secret, const Show& show) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(HeaderCopy copy, State::Take(held.entry));
  ASSIGN_OR_RETURN(const WaysAnew anew, state_->Anew(deadline, copy.header().metadata, secret));
  ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways, state_->Prepare(deadline, anew.wanted));
  ASSIGN_OR_RETURN(const Unlocked unlocked, state_->UnlockHeld(deadline, copy, held.entry, secret));
  RETURN_IF_ERROR(state_->UnderNewGuardKey(held.entry, [&](const NoteGuardKey& note) {
    return Rekey(state_->broker(), deadline, copy, unlocked, ways, Announced(show), note).status();
  }));
  state_->Tell("rekeyed", name, std::to_string(ways.size()) + " ways in, and a recovery key");
  return state_->Look(deadline, held.entry);
}

Status Volumes::Reencrypt(Deadline deadline, const std::string& name, const VolumeSecret& secret,
                          const Show& show, const ReencryptionProgress& progress) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  RETURN_IF_ERROR(CheckClosed(held.entry));
  ASSIGN_OR_RETURN(HeaderCopy copy, State::Take(held.entry, Reencryption::kExpected));
  ASSIGN_OR_RETURN(Unlocked unlocked, state_->UnlockHeld(deadline, copy, held.entry, secret));
  if (!IsReencrypting(copy.header().metadata)) {
    ASSIGN_OR_RETURN(const WaysAnew anew, state_->Anew(deadline, copy.header().metadata, secret));
    ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways, state_->Prepare(deadline, anew.wanted));
    std::vector<OpenWayIn> made;
    RETURN_IF_ERROR(state_->UnderNewGuardKey(held.entry, [&](const NoteGuardKey& note) -> Status {
      ASSIGN_OR_RETURN(made, BeginReencryption(state_->broker(), deadline, copy, unlocked, ways,
                                               Announced(show), note));
      return {};
    }));
    state_->Tell("reencryption_begun", name, "");
    ASSIGN_OR_RETURN(copy, State::Take(held.entry, Reencryption::kExpected));
    // What opened it until now may be gone.
    const VolumeSecret recovery_key{VolumeSecret::Kind::kRecoveryKey,
                                    std::move(made.back().passphrase), false};
    ASSIGN_OR_RETURN(unlocked, state_->UnlockHeld(deadline, copy, held.entry, recovery_key));
  }
  RETURN_IF_ERROR(ContinueReencryption(state_->broker(), kTpmWait, copy, unlocked, progress));
  state_->Tell("reencrypted", name, "");
  return {};
}

}  // namespace seaworthy::volumes
