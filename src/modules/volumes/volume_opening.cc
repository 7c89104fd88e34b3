// Volumes opened and closed, and why one does not open.
#include "modules/volumes/pcr_indices.h"
#include "modules/volumes/volumes_state.h"
#include "seaworthy/log.h"
#include "seaworthy/modules/volumes/active_volume.h"
#include "seaworthy/modules/volumes/mapping.h"
#include "seaworthy/modules/volumes/ways.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/seal.h"

namespace seaworthy::volumes {
namespace {

constexpr char kBootStateFile[] = ".boot";
constexpr std::size_t kMostDifferences = 24;

// At the start of the daemon the device or the TPM may not be there yet.
constexpr std::chrono::seconds kOpenTimeout(10);
constexpr std::chrono::seconds kRetryAfter(2);
constexpr int kTries = 60;

bool MayComeYet(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kNotFound ||
         status.code() == Code::kDeadlineExceeded || status.code() == Code::kAborted;
}

// Whether it says that the volume refuses, and not that it could not be tried.
bool IsRefusal(const Status& status) {
  switch (status.code()) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kAborted:
    case Code::kCancelled:
    case Code::kInternal:
      return false;
    default:
      return true;
  }
}

std::string MappingPath(const std::string& name) { return "/dev/mapper/" + name; }

}  // namespace

Result<std::optional<std::string>> MappingOf(const VolumeEntry& entry) {
  Result<ActiveVolume> active = FindActive(entry.uuid);
  if (active.ok()) return std::optional(std::move(active->name));
  if (active.status().code() == Code::kNotFound) return std::optional<std::string>();
  return active.status();
}

Status CheckClosed(const VolumeEntry& entry) {
  ASSIGN_OR_RETURN(const auto mapping, MappingOf(entry));
  if (!mapping.has_value()) return {};
  return Fail(Code::kFailedPrecondition, "VOLUME_OPEN",
              entry.name + " is open as " + MappingPath(*mapping) + ": close it first");
}

std::optional<BootState> Volumes::State::RecordedBoot(const std::string& name) const {
  const auto registry = this->registry();
  if (!registry.ok()) return std::nullopt;
  Result<BootState> recorded = ReadBootStateFile((*registry)->folder(), name + kBootStateFile);
  if (recorded.ok()) return *std::move(recorded);
  if (recorded.status().code() != Code::kNotFound) Log(Level::kWarning, Message(recorded.status()));
  return std::nullopt;
}

Status Volumes::State::RecordBoot(const std::string& name, const BootState& now) const {
  ASSIGN_OR_RETURN(const Registry* registry, this->registry());
  return WriteBootState(registry->folder(), name + kBootStateFile, now);
}

Result<BootState> Volumes::State::ReadBoot(Deadline deadline) const {
  return ReadBootState(broker_, deadline, options_.boot_log);
}

Result<Platform> Volumes::State::PlatformOf(Deadline deadline,
                                            std::vector<verify::PcrValue> pcrs) const {
  Result<Bytes> srk_name = broker_.Run(deadline, [](tpm::Context& context) -> Result<Bytes> {
    ASSIGN_OR_RETURN(const Bytes srk, tpm::SerializeSrk(context));
    return tpm::ReadSrkName(srk);
  });
  if (!srk_name.ok()) return srk_name.status();
  return Platform{std::move(pcrs), *std::move(srk_name)};
}

Platform Volumes::State::Present(Deadline deadline) const {
  Result<BootState> now = ReadBootState(broker_, deadline, "");
  if (!now.ok()) return {};
  return PlatformOf(deadline, std::move(now->pcrs)).value_or(Platform());
}

std::vector<std::string> DifferencesSince(const std::optional<BootState>& recorded,
                                          const BootState& now, const Luks2Metadata& metadata) {
  if (!recorded.has_value()) return {};
  std::uint32_t mask = 0;
  for (const TpmWay& way : DescribeTpmWays(metadata, now.pcrs)) {
    mask |= way.pcrs.mask | way.signed_pcrs.mask;
  }
  return WhyDifferent(*recorded, now, Indices(mask), kMostDifferences);
}

std::vector<std::string> Volumes::State::Differences(Deadline deadline, const std::string& name,
                                                     const Luks2Metadata& metadata) const {
  const Result<BootState> now = ReadBoot(deadline);
  if (!now.ok()) return {};
  return DifferencesSince(RecordedBoot(name), *now, metadata);
}

Result<TestedVolume> Volumes::Test(Deadline deadline, const std::string& name,
                                   const VolumeSecret& secret) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  TestedVolume test;
  const Result<HeaderCopy> copy = State::Take(held.entry, Reencryption::kExpected);
  if (!copy.ok()) {
    test.status = copy.status();
  } else {
    const Result<Unlocked> unlocked = state_->UnlockHeld(deadline, *copy, held.entry, secret);
    test.status = unlocked.status();
    if (unlocked.ok()) {
      test.keyslot = unlocked->way.keyslot;
      test.header_checked = unlocked->guard.has_value();
      test.status = OpenKeyslot(*copy, unlocked->way).status();
    }
    test.differences = state_->Differences(deadline, name, copy->header().metadata);
  }
  if (!test.status.ok() && !IsRefusal(test.status)) return test.status;
  return test;
}

Result<Volumes::Opened> Volumes::Open(Deadline deadline, const std::string& name,
                                      const VolumeSecret& secret) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(const auto mapping, MappingOf(held.entry));
  if (mapping.has_value()) return Opened{MappingPath(*mapping), true};
  const Status status = state_->Map(deadline, held.entry, secret);
  state_->NoteProblem(name, {});
  if (!status.ok()) {
    state_->Tell("refused", name, Reason(status) + ": " + Message(status));
    return status;
  }
  state_->Tell("opened", name, MappingPath(name));
  return Opened{MappingPath(name), false};
}

Status Volumes::State::Map(Deadline deadline, VolumeEntry& entry,
                           const VolumeSecret& secret) const {
  ASSIGN_OR_RETURN(const HeaderCopy copy, Take(entry));
  const Result<Unlocked> unlocked = UnlockHeld(deadline, copy, entry, secret);
  if (!unlocked.ok()) {
    std::string why;
    for (const std::string& line : Differences(deadline, entry.name, copy.header().metadata)) {
      why += (why.empty() ? ". Since it was sealed: " : " ") + line;
    }
    return Fail(unlocked.status().code(), Reason(unlocked.status()),
                Message(unlocked.status()) + why);
  }
  ASSIGN_OR_RETURN(const SecretBytes volume_key, OpenKeyslot(copy, unlocked->way));
  return Mapper(options_.mapper_socket).Open(deadline, copy, entry.name, volume_key, entry.mapping);
}

Result<bool> Volumes::Close(Deadline deadline, const std::string& name, bool deferred) {
  ASSIGN_OR_RETURN(const HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(const auto mapping, MappingOf(held.entry));
  if (!mapping.has_value()) return false;
  RETURN_IF_ERROR(Mapper(state_->options().mapper_socket).Close(deadline, *mapping, deferred));
  state_->Tell("closed", name, "");
  return true;
}

Status Volumes::Start() {
  RETURN_IF_ERROR(state_->OpenRegistry());
  state_->StartOpening([this] { OpenAtStart(); });
  return {};
}

void Volumes::Stop() noexcept { state_->StopOpening(); }

// One after the other, as the TPM takes them; who is refused does not keep the others waiting.
void Volumes::OpenAtStart() {
  const auto registry = state_->registry();
  if (!registry.ok()) return;
  const auto listed = (*registry)->List();
  if (!listed.ok()) return;
  std::vector<std::string> waiting;
  for (const Registry::Listed& one : *listed) {
    if (one.entry.ok() && one.entry->open_at_start) waiting.push_back(one.name);
  }
  for (int tries = 0; !waiting.empty() && tries < kTries; ++tries) {
    if (tries > 0 && !state_->Rest(kRetryAfter)) return;
    std::erase_if(waiting, [&](const std::string& name) {
      const Status status = Open(DeadlineIn(kOpenTimeout), name, {}).status();
      state_->NoteProblem(name, status);
      return !MayComeYet(status);
    });
  }
}

}  // namespace seaworthy::volumes
