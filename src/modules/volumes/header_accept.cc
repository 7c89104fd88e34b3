#include "seaworthy/modules/volumes/header_accept.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "modules/volumes/extent.h"
#include "modules/volumes/recorded_change.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/header_backup.h"
#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/modules/volumes/recovery_key.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

Status RemoveRecords(Luks& luks) {
  for (const Token& token : luks.Tokens()) {
    if (token.type == kGuard) RETURN_IF_ERROR(luks.RemoveToken(token.id));
  }
  return {};
}

// A copy of the copy, to take tokens out of.
Result<UniqueFd> Scratch(const HeaderCopy& copy) {
  ASSIGN_OR_RETURN(const Bytes image, HeaderImage(copy));
  UniqueFd file(memfd_create("luks2-scratch", MFD_CLOEXEC));
  if (!file) return FromErrno(errno, "memfd_create");
  RETURN_IF_ERROR(WriteAll(file.get(), 0, image));
  return file;
}

// Whether the caller has to hear of it; else the TPM has no more to give.
bool IsToBeTold(const Status& status) {
  return Reason(status) == "PIN_WRONG" || Reason(status) == "TPM_LOCKOUT" ||
         Reason(status) == "KEYSLOT_MEMORY" || status.code() == Code::kUnavailable ||
         status.code() == Code::kDeadlineExceeded;
}

// Each way in whose secret the TPM gives now, one token after the other.
Result<std::vector<OpenWayIn>> AskForAll(tpm::Broker& broker, Deadline deadline,
                                         const HeaderCopy& copy, UnlockOptions options) {
  ASSIGN_OR_RETURN(const UniqueFd scratch, Scratch(copy));
  const std::string path = "/proc/self/fd/" + std::to_string(scratch.get());
  ASSIGN_OR_RETURN(Luks luks, Luks::Open(path));
  RETURN_IF_ERROR(RemoveRecords(luks));
  options.unguarded = true;
  options.guard_keys.clear();
  std::vector<OpenWayIn> ways;
  for (;;) {
    ASSIGN_OR_RETURN(const HeaderCopy rest, HeaderCopy::Take(path));
    Result<Unlocked> unlocked = Unlock(broker, deadline, rest, options);
    if (IsToBeTold(unlocked.status())) return unlocked.status();
    if (!unlocked.ok()) return ways;
    OpenWayIn& way = unlocked->way;
    RETURN_IF_ERROR(luks.RemoveToken(static_cast<int>(way.token)));
    // A token that somebody planted has a secret of his, and would have him unwrap the guard key.
    if (luks.TestPassphrase(way.passphrase, static_cast<int>(way.keyslot)).ok()) {
      ways.push_back(std::move(way));
    }
  }
}

// What is said of the header until now.
Status Before(tpm::Broker& broker, Deadline deadline, const HeaderCopy& copy, const WayIn& through,
              const std::vector<std::string>& guard_keys) {
  ASSIGN_OR_RETURN(const PresentHeader now, ReadPresent(copy));
  ASSIGN_OR_RETURN(const GuardRecord record, FindGuard(now.header.metadata));
  std::optional<GuardCounter> counter;
  if (record.nv_index != 0) {
    const Result<GuardCounter> read = broker.Run(deadline, [&](tpm::Context& context) {
      return ReadGuardCounter(context, record.nv_index);
    });
    if (!read.ok()) return read.status();
    counter = *read;
  }
  ASSIGN_OR_RETURN(const GuardProof proof, CheckGuard(now.read(), record, through, counter));
  return CheckGuardKey(proof, guard_keys);
}

Result<Accepted> Accept(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy, Unlocked through,
                        const UnlockOptions& options, const NoteGuardKey& note) {
  Accepted accepted;
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> ways, AskForAll(broker, deadline, copy, options));
  if (!through.way.random && ways.empty()) {
    return Fail(Code::kInvalidArgument, "GUARD_WAY_IN",
                "a passphrase guards nothing, and the TPM gives the secret of no token");
  }
  const OpenWayIn& knows = through.way.random ? through.way : ways.front();
  accepted.before = Before(broker, deadline, copy, knows.way_in(), options.guard_keys);
  accepted.guarded.push_back(knows.keyslot);
  for (const OpenWayIn& way : ways) accepted.guarded.push_back(way.keyslot);
  through.guard.reset();
  const auto change = [&](Luks& luks,
                          const SecretBytes& /*key*/) -> Result<std::vector<OpenWayIn>> {
    RETURN_IF_ERROR(RemoveRecords(luks));
    return std::move(ways);
  };
  RETURN_IF_ERROR(
      ChangeHeader(broker, deadline, copy, through, change, {.guard_key = note}).status());
  std::ranges::sort(accepted.guarded);
  const auto [first, last] = std::ranges::unique(accepted.guarded);
  accepted.guarded.erase(first, last);
  for (const auto& [number, keyslot] : copy.header().metadata.keyslots) {
    if (!std::ranges::binary_search(accepted.guarded, number)) accepted.unguarded.push_back(number);
  }
  return accepted;
}

// The record is not asked.
Result<Unlocked> OpenBy(const HeaderCopy& copy, const SecretBytes& passphrase,
                        UnlockOptions options) {
  options.unguarded = true;
  options.guard_keys.clear();
  return UnlockByPassphrase(copy, passphrase, options);
}

}  // namespace

Result<Accepted> AcceptByRecoveryKey(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                     const SecretBytes& typed, const UnlockOptions& options,
                                     const NoteGuardKey& note) {
  ASSIGN_OR_RETURN(const SecretBytes passphrase, ParseRecoveryKey(typed));
  ASSIGN_OR_RETURN(Unlocked through, OpenBy(copy, passphrase, options));
  through.way.random = true;
  return Accept(broker, deadline, copy, std::move(through), options, note);
}

Result<Accepted> AcceptByPassphrase(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                    const SecretBytes& passphrase, const UnlockOptions& options,
                                    const NoteGuardKey& note) {
  ASSIGN_OR_RETURN(Unlocked through, OpenBy(copy, passphrase, options));
  return Accept(broker, deadline, copy, std::move(through), options, note);
}

}  // namespace seaworthy::volumes
