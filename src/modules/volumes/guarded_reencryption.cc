#include "seaworthy/modules/volumes/guarded_reencryption.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "modules/volumes/crypt_device.h"
#include "modules/volumes/metadata_edit.h"
#include "modules/volumes/recorded_change.h"
#include "modules/volumes/replaced_ways.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kTpmRandomness = 64;

Result<SecretBytes> NewVolumeKey(tpm::Broker& broker, Deadline deadline) {
  const Result<SecretBytes> random = broker.Run(
      deadline, [](tpm::Context& context) { return tpm::Random(context, kTpmRandomness); });
  if (!random.ok()) return random.status();
  return MakeVolumeKey(random->view());
}

template <class Token>
Result<std::string> ForBoth(Result<Token> token, std::uint32_t keyslot) {
  if (!token.ok()) return token.status();
  token->other_keyslot = keyslot;
  return ToJson(*token);
}

// The token is for the keyslot as well.
Status AssignToo(Luks& luks, std::uint32_t token, std::uint32_t keyslot) {
  const int number = static_cast<int>(token);
  ASSIGN_OR_RETURN(const std::string json, luks.TokenJson(number));
  const bool by_tpm = ParseSystemdTpm2Token(json).ok();
  ASSIGN_OR_RETURN(const std::string both, by_tpm
                                               ? ForBoth(ParseSystemdTpm2Token(json), keyslot)
                                               : ForBoth(ParseSystemdRecoveryToken(json), keyslot));
  return WriteToken(luks, number, both);
}

// Under the new volume key, one for each.
Result<std::vector<int>> Start(Luks& luks, const std::vector<OpenWayIn>& ways,
                               const SecretBytes& new_volume_key) {
  const KeyslotCost cost = KeyslotCost::ForRandomSecret();
  std::vector<NextKeyslot> further;
  for (std::size_t i = 1; i < ways.size(); ++i) further.push_back({ways[i].passphrase, cost});
  return StartReencryption(luks, ways.front().passphrase, cost, new_volume_key, further);
}

// At the end libcryptsetup gives keyslots all room before the data (LUKS2_set_keyslots_size), and
// our way to end what it left does not: as it will be, it is recorded now.
Status TakeAllRoom(Luks& luks) {
  constexpr std::uint64_t kSector = 512;
  constexpr std::uint64_t kBlock = 4096;
  constexpr std::uint64_t kMost = std::uint64_t{128} << 20;
  crypt_device* const handle = luks.device().get();
  std::uint64_t metadata = 0;
  std::uint64_t keyslots = 0;
  const auto sizes = [&](crypt_device* device) {
    return crypt_get_metadata_size(device, &metadata, &keyslots);
  };
  RETURN_IF_ERROR(luks.device().Call("get the header's size", sizes).status());
  const std::uint64_t data = crypt_get_data_offset(handle) * kSector;
  if (data < 2 * metadata + keyslots) return {};
  const std::uint64_t room = std::min(data - 2 * metadata, kMost) / kBlock * kBlock;
  // The copy ends where the room did.
  const std::string& copy = luks.device().header_path();
  if (truncate(copy.c_str(), static_cast<off_t>(2 * metadata + room)) != 0) {
    return FromErrno(errno, "truncate " + copy);
  }
  return EditMetadata(
      luks, [&](nlohmann::json& root) { root["config"]["keyslots_size"] = std::to_string(room); });
}

// The header that libcryptsetup has loaded from the device is the one that was judged and checked.
Status SameAsJudged(const HeaderCopy& copy, const Luks& luks) {
  const char* json = nullptr;
  const auto dump = [&](crypt_device* handle) { return crypt_dump_json(handle, &json, 0); };
  RETURN_IF_ERROR(luks.device().Call("read the metadata", dump).status());
  ASSIGN_OR_RETURN(const Luks2Metadata loaded, ParseLuks2Metadata(json));
  return SameMetadata(copy.header().metadata, loaded);
}

// The record for what the re-encryption has left, which it had announced.
Status RenewAtTheEnd(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                     const GuardRecord& present, const SecretBytes& passphrase) {
  if (!AnnouncesReencryption(present)) {
    return Fail(Code::kFailedPrecondition, "REENCRYPTION_NOT_STARTED",
                copy.device() + ": is not being re-encrypted");
  }
  ASSIGN_OR_RETURN(Luks luks, copy.OpenAlone());
  ASSIGN_OR_RETURN(const int keyslot, luks.TestPassphrase(passphrase));
  const WayIn way = {static_cast<std::uint32_t>(keyslot), passphrase.view()};
  ASSIGN_OR_RETURN(const GuardCounter counter, CounterOfVolume(broker, deadline, copy, present));
  ASSIGN_OR_RETURN(const PresentHeader now, ReadPresent(copy));
  ASSIGN_OR_RETURN(const GuardProof proof, CheckGuard(now.read(), way, counter));
  if (ToJson(proof.record) != ToJson(present)) {
    return Fail(Code::kAborted, "HEADER_CHANGED",
                copy.device() + ": somebody else has renewed the record meanwhile");
  }
  ASSIGN_OR_RETURN(const GuardRecord record,
                   RenewGuard(present, now.read(), Next(counter), way, {}, nullptr));
  return PutBackWith(record, broker, deadline, copy, luks, Reencryption::kUnexpected);
}

}  // namespace

Result<std::vector<OpenWayIn>> BeginReencryption(tpm::Broker& broker, Deadline deadline,
                                                 HeaderCopy& copy, const Unlocked& through,
                                                 std::span<const TpmWayIn> ways,
                                                 const Announce& announce,
                                                 const NoteGuardKey& note) {
  const Change begin = [&](Luks& luks,
                           const SecretBytes& volume_key) -> Result<std::vector<OpenWayIn>> {
    std::vector<int> former;
    ASSIGN_OR_RETURN(std::vector<OpenWayIn> both,
                     AddInPlaceOfAll(broker, deadline, luks, volume_key, ways, former));
    ASSIGN_OR_RETURN(const SecretBytes next, NewVolumeKey(broker, deadline));
    ASSIGN_OR_RETURN(const std::vector<int> keyslots, Start(luks, both, next));
    RETURN_IF_ERROR(DestroyKeyslots(luks, former));
    RETURN_IF_ERROR(TakeAllRoom(luks));
    std::vector<OpenWayIn> after;
    for (std::size_t i = 0; i < both.size(); ++i) {
      const auto keyslot = static_cast<std::uint32_t>(keyslots[i]);
      RETURN_IF_ERROR(AssignToo(luks, both[i].token, keyslot));
      after.push_back({keyslot, both[i].token, SecretBytes::Copy(both[i].passphrase.view())});
    }
    if (announce) RETURN_IF_ERROR(announce(after));
    for (OpenWayIn& way : after) both.push_back(std::move(way));
    return both;
  };
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> all, ReplaceWaysIn(broker, deadline, copy, through, begin,
                                                             Reencryption::kExpected, note));
  // Those of the old volume key come first, and are not for long.
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
  return all;
}

Status ContinueReencryption(tpm::Broker& broker, std::chrono::milliseconds tpm_wait,
                            HeaderCopy& copy, const Unlocked& through,
                            const ReencryptionProgress& progress) {
  if (!through.guard.has_value()) {
    return Fail(Code::kFailedPrecondition, "HEADER_UNGUARDED",
                copy.device() + ": has no record of its header that could be kept in step");
  }
  if (IsReencrypting(copy.header().metadata)) {
    // What was before is refused from here on, wherever the beginning was broken off.
    RETURN_IF_ERROR(CounterOfVolume(broker, DeadlineIn(tpm_wait), copy, through.guard).status());
    ASSIGN_OR_RETURN(Luks luks, Luks::Open(copy.device()));
    RETURN_IF_ERROR(SameAsJudged(copy, luks));
    RETURN_IF_ERROR(RunReencryption(luks, through.way.passphrase, progress));
    ASSIGN_OR_RETURN(copy, HeaderCopy::Take(copy.device()));
  }
  return RenewAtTheEnd(broker, DeadlineIn(tpm_wait), copy, *through.guard, through.way.passphrase);
}

}  // namespace seaworthy::volumes
