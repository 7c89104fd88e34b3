#include "seaworthy/modules/volumes/header_accept.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "modules/volumes/extent.h"
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
         status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded;
}

// Each way in whose secret the TPM gives now, one token after the other.
Result<std::vector<OpenWayIn>> AskForAll(tpm::Broker& broker, Deadline deadline,
                                         const HeaderCopy& copy, UnlockOptions options) {
  ASSIGN_OR_RETURN(const UniqueFd scratch, Scratch(copy));
  const std::string path = "/proc/self/fd/" + std::to_string(scratch.get());
  ASSIGN_OR_RETURN(Luks luks, Luks::Open(path));
  RETURN_IF_ERROR(RemoveRecords(luks));
  options.unguarded = true;
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

// What the header is until now.
class Recorded {
 public:
  static Result<Recorded> Of(const HeaderCopy& copy) {
    ASSIGN_OR_RETURN(KeyslotAreaDigests areas,
                     DigestKeyslotAreas(copy.fd(), copy.header().metadata));
    return Recorded(copy.header(), std::move(areas));
  }

  Status Check(tpm::Broker& broker, Deadline deadline, const WayIn& through) const {
    if (!record_.ok()) return record_.status();
    std::optional<GuardCounter> counter;
    if (record_->nv_index != 0) {
      const Result<GuardCounter> read = broker.Run(deadline, [&](tpm::Context& context) {
        return ReadGuardCounter(context, record_->nv_index);
      });
      if (!read.ok()) return read.status();
      counter = *read;
    }
    return CheckGuard({header_, areas_}, through, counter).status();
  }

 private:
  Recorded(Luks2Header header, KeyslotAreaDigests areas)
      : header_(std::move(header)),
        areas_(std::move(areas)),
        record_(FindGuard(header_.metadata)) {}

  Luks2Header header_;
  KeyslotAreaDigests areas_;
  Result<GuardRecord> record_;
};

Result<Accepted> Accept(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy, Unlocked through,
                        const UnlockOptions& options) {
  Accepted accepted;
  ASSIGN_OR_RETURN(const Recorded recorded, Recorded::Of(copy));
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> ways, AskForAll(broker, deadline, copy, options));
  if (!through.way.random && ways.empty()) {
    return Fail(Code::kInvalidArgument, "GUARD_WAY_IN",
                "a passphrase guards nothing, and the TPM gives the secret of no token");
  }
  for (const OpenWayIn& way : ways) accepted.guarded.push_back(way.keyslot);
  if (through.way.random) {
    accepted.before = recorded.Check(broker, deadline, through.way.way_in());
    accepted.guarded.push_back(through.way.keyslot);
  } else {
    accepted.before = recorded.Check(broker, deadline, ways.front().way_in());
  }
  through.guard.reset();
  const auto change = [&](Luks& luks,
                          const SecretBytes& /*key*/) -> Result<std::vector<OpenWayIn>> {
    RETURN_IF_ERROR(RemoveRecords(luks));
    return std::move(ways);
  };
  RETURN_IF_ERROR(ChangeHeader(broker, deadline, copy, through, change).status());
  std::ranges::sort(accepted.guarded);
  const auto [first, last] = std::ranges::unique(accepted.guarded);
  accepted.guarded.erase(first, last);
  for (const auto& [number, keyslot] : copy.header().metadata.keyslots) {
    if (!std::ranges::binary_search(accepted.guarded, number)) accepted.unguarded.push_back(number);
  }
  return accepted;
}

Result<Unlocked> OpenKeyslot(const HeaderCopy& copy, SecretBytes passphrase, bool random) {
  Unlocked unlocked;
  ASSIGN_OR_RETURN(const Luks luks, copy.OpenAlone());
  ASSIGN_OR_RETURN(const int keyslot, luks.TestPassphrase(passphrase));
  unlocked.way.keyslot = static_cast<std::uint32_t>(keyslot);
  unlocked.way.passphrase = std::move(passphrase);
  unlocked.way.random = random;
  return unlocked;
}

}  // namespace

Result<Accepted> AcceptByRecoveryKey(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                     const SecretBytes& typed, const UnlockOptions& options) {
  ASSIGN_OR_RETURN(SecretBytes passphrase, ParseRecoveryKey(typed));
  ASSIGN_OR_RETURN(Unlocked through, OpenKeyslot(copy, std::move(passphrase), true));
  return Accept(broker, deadline, copy, std::move(through), options);
}

Result<Accepted> AcceptByPassphrase(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                    const SecretBytes& passphrase, const UnlockOptions& options) {
  ASSIGN_OR_RETURN(Unlocked through,
                   OpenKeyslot(copy, SecretBytes::Copy(passphrase.view()), false));
  return Accept(broker, deadline, copy, std::move(through), options);
}

}  // namespace seaworthy::volumes
