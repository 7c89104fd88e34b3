#include "modules/volumes/registry.h"

#include <algorithm>

#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxEntry = 16 * 1024;
constexpr std::uint32_t kFormat = 1;
constexpr char kDamaged[] = "VOLUME_ENTRY_DAMAGED";
constexpr std::size_t kGuardKey = 64;
constexpr std::string_view kEntry = ".json";
constexpr std::string_view kSignatures = ".signatures";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || IsDigit(c); }

bool IsGuardKey(const std::string& name) {
  return name.size() == kGuardKey &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'f') || IsDigit(c); });
}

std::string FileOf(const std::string& name, std::string_view kind) {
  return name + std::string(kind);
}

}  // namespace

Status CheckVolumeName(const std::string& name) {
  if (!name.empty() && name.size() <= kMaxName && IsLetterOrDigit(name.front()) &&
      std::ranges::all_of(name, [](char c) { return IsLetterOrDigit(c) || c == '-'; })) {
    return {};
  }
  return Fail(Code::kInvalidArgument, "INVALID_NAME",
              "name: must be 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit");
}

Status CheckDevicePath(const std::string& device) {
  if (device.starts_with('/') && device.size() < kMaxPath &&
      device.find('\0') == std::string::npos) {
    return {};
  }
  return Fail(Code::kInvalidArgument, "INVALID_DEVICE", "device: must be an absolute path");
}

Result<VolumeEntry> ParseVolumeEntry(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxEntry, kDamaged));
  FirstError error(kDamaged);
  ObjectReader reader(root, "", error);
  VolumeEntry entry;
  std::uint32_t format = 0;
  if (reader.Number("format", format) && format != kFormat) reader.Tell("format", "is not 1");
  if (reader.Text("name", entry.name) && !CheckVolumeName(entry.name).ok()) {
    reader.Tell("name", "is no name of a volume");
  }
  if (reader.Text("device", entry.device) && !CheckDevicePath(entry.device).ok()) {
    reader.Tell("device", "is no absolute path");
  }
  reader.Text("uuid", entry.uuid);
  reader.Flag("open_at_start", entry.open_at_start);
  reader.Flag("read_only", entry.mapping.read_only);
  reader.Flag("allow_discards", entry.mapping.allow_discards);
  reader.Flag("no_read_workqueue", entry.mapping.no_read_workqueue);
  reader.Flag("no_write_workqueue", entry.mapping.no_write_workqueue);
  if (reader.Texts("guard_keys", entry.guard_keys, ObjectReader::kOptional) &&
      (entry.guard_keys.size() > kMaxGuardKeys ||
       !std::ranges::all_of(entry.guard_keys, IsGuardKey))) {
    reader.Tell("guard_keys", "has what is no name of a guard key, or too many");
  }
  if (!reader.Rest().empty()) error.Tell("/" + reader.Rest().begin().key(), "is unknown");
  RETURN_IF_ERROR(error.status());
  return entry;
}

std::string ToJson(const VolumeEntry& entry) {
  nlohmann::ordered_json root = {{"format", kFormat},
                                 {"name", entry.name},
                                 {"device", entry.device},
                                 {"uuid", entry.uuid},
                                 {"open_at_start", entry.open_at_start},
                                 {"read_only", entry.mapping.read_only},
                                 {"allow_discards", entry.mapping.allow_discards},
                                 {"no_read_workqueue", entry.mapping.no_read_workqueue},
                                 {"no_write_workqueue", entry.mapping.no_write_workqueue}};
  if (!entry.guard_keys.empty()) root["guard_keys"] = entry.guard_keys;
  return root.dump(2) + "\n";
}

Result<std::unique_ptr<Registry>> Registry::Open(const std::string& state_dir) {
  ASSIGN_OR_RETURN(const Directory state, Directory::Create(state_dir));
  ASSIGN_OR_RETURN(Directory folder, state.OpenSubdirectory("volumes"));
  return std::unique_ptr<Registry>(new Registry(std::move(folder)));
}

Result<std::vector<Registry::Listed>> Registry::List() const {
  // Each volume has a few files.
  ASSIGN_OR_RETURN(const auto files, folder_.List(Volumes::kMaxVolumes * 8));
  std::vector<Listed> listed;
  for (const std::string& file : files) {
    if (!file.ends_with(kEntry)) continue;
    std::string name = file.substr(0, file.size() - kEntry.size());
    if (!CheckVolumeName(name).ok()) continue;
    Result<VolumeEntry> entry = Read(name);
    listed.push_back({std::move(name), std::move(entry)});
  }
  return listed;
}

Result<VolumeEntry> Registry::Read(const std::string& name) const {
  RETURN_IF_ERROR(CheckVolumeName(name));
  const std::string file = FileOf(name, kEntry);
  const Result<Bytes> text = folder_.Read(file, kMaxEntry);
  if (text.status().code() == Code::kNotFound) {
    return Fail(Code::kNotFound, "VOLUME_NOT_FOUND", "there is no volume named " + name);
  }
  RETURN_IF_ERROR(text.status());
  Result<VolumeEntry> entry = ParseVolumeEntry(AsText(*text));
  if (entry.ok() && entry->name == name) return entry;
  return Fail(Code::kFailedPrecondition, kDamaged,
              folder_.path() + "/" + file + ": " +
                  (entry.ok() ? "is of the volume " + entry->name : Message(entry.status())));
}

Status Registry::Write(const VolumeEntry& entry) const {
  return folder_.Replace(FileOf(entry.name, kEntry), AsBytes(ToJson(entry)));
}

Status Registry::Remove(const std::string& name) const {
  // The entry last: as long as it is there the volume is known, with whatever is left beside it.
  ASSIGN_OR_RETURN(const auto files, folder_.List(Volumes::kMaxVolumes * 8));
  for (const std::string& file : files) {
    if (!file.starts_with(name + ".") || file == FileOf(name, kEntry)) continue;
    RETURN_IF_ERROR(folder_.Remove(file));
  }
  RETURN_IF_ERROR(folder_.Remove(FileOf(name, kEntry)));
  return folder_.Sync();
}

Result<std::vector<SignedPolicy>> Registry::ReadSignatures(const std::string& name) const {
  const std::string file = FileOf(name, kSignatures);
  const Result<Bytes> text = folder_.Read(file, kMaxPolicySignatures);
  if (text.status().code() == Code::kNotFound) return std::vector<SignedPolicy>();
  RETURN_IF_ERROR(text.status());
  Result<std::vector<SignedPolicy>> signatures = ParsePolicySignatures(AsText(*text));
  if (signatures.ok()) return signatures;
  return Fail(Code::kFailedPrecondition, "POLICY_SIGNATURES_DAMAGED",
              folder_.path() + "/" + file + ": " + Message(signatures.status()));
}

Status Registry::WriteSignatures(const std::string& name,
                                 const std::vector<SignedPolicy>& signatures) const {
  return folder_.Replace(FileOf(name, kSignatures), AsBytes(ToJson(signatures)));
}

Registry::Claim::~Claim() {
  if (registry_ == nullptr) return;
  {
    const std::lock_guard lock(registry_->mutex_);
    registry_->claimed_.erase(name_);
  }
  registry_->released_.notify_all();
}

Result<Registry::Claim> Registry::ClaimVolume(Deadline deadline, const std::string& name) {
  std::unique_lock lock(mutex_);
  if (!released_.wait_until(lock, deadline, [&] { return !claimed_.contains(name); })) {
    return Fail(Code::kDeadlineExceeded, "VOLUME_BUSY",
                "other work on the volume " + name + " is under way");
  }
  claimed_.insert(name);
  return Claim(*this, name);
}

}  // namespace seaworthy::volumes
