#include "modules/keys/store.h"

#include <sys/random.h>

#include <charconv>
#include <string_view>

#include "modules/keys/validate.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/tss2_pem.h"

namespace seaworthy::keys {
namespace {

constexpr char kMetadataFile[] = "meta.json";
constexpr std::string_view kNewPrefix = ".new-";
constexpr std::string_view kDeletedPrefix = ".deleted-";
constexpr std::string_view kTemporaryPrefix = ".tmp-";  // Directory::Replace's
constexpr std::size_t kMaxEntries = 8192;               // of the keys folder
constexpr std::size_t kMaxFiles = 256;                  // of one key's folder

std::string PemFile(std::uint32_t generation) {
  return "key-" + std::to_string(generation) + ".pem";
}

std::string HiddenName(std::string_view prefix) {
  std::uint8_t random[8] = {};
  // Cannot be interrupted below 256 bytes; a clash of names would be ALREADY_EXISTS.
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) random[0] = 1;
  return std::string(prefix) + Hex(random);
}

// Whether an entry of the keys folder is one of our changes under way or killed.
bool IsUnfinished(const std::string& entry) {
  return entry.starts_with(kNewPrefix) || entry.starts_with(kDeletedPrefix) ||
         entry.starts_with(kTemporaryPrefix);
}

Status Damaged(const std::string& what) {
  return Fail(Code::kFailedPrecondition, "KEY_DAMAGED", what);
}

// An error met while opening or reading: damage, unless the machine is at fault and not the
// file. The message names the file.
Status ReadingFailed(const Status& status) {
  const bool damage =
      status.code() == Code::kNotFound || status.code() == Code::kFailedPrecondition;
  return damage ? Damaged(Message(status)) : status;
}

Result<tpm::WrappedKey> ReadPem(const Directory& folder, std::uint32_t generation) {
  const std::string file = PemFile(generation);
  const Result<Bytes> content = folder.Read(file, tpm::kMaxTss2Pem);
  if (!content.ok()) return ReadingFailed(content.status());
  Result<tpm::WrappedKey> key = tpm::ParseTss2Pem(AsText(*content));
  if (!key.ok()) return Damaged(folder.path() + "/" + file + ": " + Message(key.status()));
  return key;
}

void LogLeftover(const std::string& path, const Status& status) {
  if (!status.ok()) Log(Level::kWarning, path + ": cannot remove leftovers: " + Message(status));
}

// The N of "key-N.pem", written exactly as PemFile writes it.
std::optional<std::uint32_t> GenerationOf(const std::string& file) {
  constexpr std::string_view kPrefix = "key-";
  if (!file.starts_with(kPrefix)) return std::nullopt;
  std::uint32_t generation = 0;
  std::from_chars(file.data() + kPrefix.size(), file.data() + file.size(), generation);
  if (generation > kMaxGeneration || file != PemFile(generation)) return std::nullopt;
  return generation;
}

// Whether the metadata in force says that a killed change, or a removal that did not get so
// far, left this file.
bool IsLeftover(const std::string& file, const Metadata& metadata) {
  if (file.starts_with(kTemporaryPrefix)) return true;
  const std::optional<std::uint32_t> generation = GenerationOf(file);
  if (!generation) return false;
  return *generation < metadata.current ||
         (*generation == metadata.current + 1 && metadata.next == 0);
}

// Removes the leftovers, but only what we may have written: regular files of a size of ours.
Status SweepKey(const Directory& folder, const Metadata& metadata) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, folder.List(kMaxFiles));
  for (const std::string& file : files) {
    if (!IsLeftover(file, metadata)) continue;
    const Status ours = folder.Read(file, kMaxMetadata).status();
    if (ours.ok()) RETURN_IF_ERROR(folder.Remove(file));
    LogLeftover(folder.path(), ours);
  }
  return {};
}

}  // namespace

Result<Store> Store::Open(const std::string& state_dir) {
  ASSIGN_OR_RETURN(const Directory state, Directory::Create(state_dir));
  ASSIGN_OR_RETURN(Directory keys, state.OpenSubdirectory("keys"));
  return Store(std::move(keys));
}

Result<Store::Names> Store::List() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> entries, keys_.List(kMaxEntries));
  Names names;
  for (const std::string& entry : entries) {
    if (CheckName(entry).ok()) {
      names.keys.push_back(entry);
    } else if (!IsUnfinished(entry)) {
      names.foreign.push_back(entry);
    }
  }
  return names;
}

Result<Store::Files> Store::Load(const std::string& name) const {
  // A change that commits between two reads makes a file vanish; then the newer state is read.
  constexpr int kAttempts = 3;
  Result<Files> files = LoadOnce(name);
  for (int i = 1; i < kAttempts && !files.ok() && Reason(files.status()) == "KEY_DAMAGED"; ++i) {
    files = LoadOnce(name);
  }
  return files;
}

Result<Store::Files> Store::LoadOnce(const std::string& name) const {
  const Result<Directory> folder = keys_.OpenExisting(name);
  if (folder.status().code() == Code::kNotFound) {
    return Fail(Code::kNotFound, "KEY_NOT_FOUND", "there is no key named " + name);
  }
  if (!folder.ok()) return ReadingFailed(folder.status());

  const std::string path = folder->path() + "/" + kMetadataFile;
  const Result<Bytes> json = folder->Read(kMetadataFile, kMaxMetadata);
  if (!json.ok()) return ReadingFailed(json.status());
  Result<Metadata> metadata = ParseMetadata(AsText(*json));
  if (!metadata.ok()) return Damaged(path + ": " + Message(metadata.status()));
  if (metadata->name != name) return Damaged(path + ": name: is not that of the folder");

  Files files;
  files.path = folder->path();
  files.metadata = *std::move(metadata);
  ASSIGN_OR_RETURN(files.current, ReadPem(*folder, files.metadata.current));
  if (files.metadata.next != 0) {
    ASSIGN_OR_RETURN(files.next, ReadPem(*folder, files.metadata.next));
  }
  return files;
}

Status Store::WriteNew(const std::string& folder_name, const Metadata& metadata,
                       const tpm::WrappedKey& key) const {
  ASSIGN_OR_RETURN(const Directory folder, keys_.CreateSubdirectory(folder_name));
  RETURN_IF_ERROR(folder.Replace(PemFile(metadata.current), AsBytes(tpm::ToTss2Pem(key))));
  return folder.Replace(kMetadataFile, AsBytes(ToJson(metadata)));
}

Status Store::Create(const Metadata& metadata, const tpm::WrappedKey& key) const {
  const std::string temporary = HiddenName(kNewPrefix);
  Status status = WriteNew(temporary, metadata, key);
  if (status.ok()) {
    status = keys_.Rename(temporary, metadata.name);
    if (status.ok()) return {};
    // Renamed but not durable: withdrawn, so that the caller's repetition starts afresh.
    if (!keys_.Exists(temporary)) (void)keys_.Rename(metadata.name, temporary);
  }
  if (keys_.Exists(temporary)) LogLeftover(path(), keys_.Remove(temporary));
  return status;
}

Status Store::AddNext(const Metadata& metadata, const tpm::WrappedKey& next) const {
  ASSIGN_OR_RETURN(const Directory folder, keys_.OpenExisting(metadata.name));
  const std::string file = PemFile(metadata.next);
  Metadata before = metadata;
  before.next = 0;
  RETURN_IF_ERROR(SweepKey(folder, before));
  if (folder.Exists(file)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE",
                folder.path() + "/" + file + ": is in the way, remove it by hand");
  }
  RETURN_IF_ERROR(folder.Replace(file, AsBytes(tpm::ToTss2Pem(next))));
  const Status status = folder.Replace(kMetadataFile, AsBytes(ToJson(metadata)));
  if (!status.ok()) {
    // Which metadata is in force after a failed replacement is on disk alone.
    const Result<Files> files = Load(metadata.name);
    if (files.ok()) LogLeftover(folder.path(), SweepKey(folder, files->metadata));
  }
  return status;
}

Status Store::Commit(const Metadata& metadata) const {
  ASSIGN_OR_RETURN(const Directory folder, keys_.OpenExisting(metadata.name));
  RETURN_IF_ERROR(folder.Replace(kMetadataFile, AsBytes(ToJson(metadata))));
  return Wrap(SweepKey(folder, metadata),
              "the change is in force, but the files of the old key could not be removed");
}

Status Store::Remove(const std::string& name) const {
  const Result<Directory> folder = keys_.OpenExisting(name);
  if (folder.status().code() == Code::kNotFound) {
    return Fail(Code::kNotFound, "KEY_NOT_FOUND", "there is no key named " + name);
  }
  if (!folder.ok()) return Wrap(folder.status(), "not a key's folder, remove it by hand");
  ASSIGN_OR_RETURN(const std::vector<std::string> files, folder->List(kMaxFiles));
  for (const std::string& file : files) {
    if (folder->OpenExisting(file).ok()) {
      return Fail(Code::kFailedPrecondition, "UNSAFE_FILE",
                  folder->path() + "/" + file + ": is a folder, remove it by hand");
    }
  }
  const std::string hidden = HiddenName(kDeletedPrefix);
  Status status = keys_.Rename(name, hidden);
  if (!status.ok()) {
    // Renamed but not durable: taken back, so that the caller's repetition finds the key.
    if (!keys_.Exists(name)) (void)keys_.Rename(hidden, name);
    return status;
  }
  return Wrap(keys_.Remove(hidden),
              "the key is deleted, but its files could not all be removed; the next start "
              "tries again");
}

void Store::Sweep() const {
  const Result<std::vector<std::string>> entries = keys_.List(kMaxEntries);
  if (!entries.ok()) return LogLeftover(path(), entries.status());
  for (const std::string& entry : *entries) {
    if (IsUnfinished(entry)) {
      LogLeftover(path() + "/" + entry, keys_.Remove(entry));
    } else if (CheckName(entry).ok()) {
      const Result<Files> files = Load(entry);
      const Result<Directory> folder = keys_.OpenExisting(entry);
      if (files.ok() && folder.ok()) {
        LogLeftover(folder->path(), SweepKey(*folder, files->metadata));
      }
    }
  }
}

}  // namespace seaworthy::keys
