#include "modules/volumes/counter_notes.h"

#include <fcntl.h>

#include <cerrno>

#include "seaworthy/handle.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/luks2_header.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr char kFile[] = "counters";
constexpr char kDamaged[] = "COUNTER_NOTES_DAMAGED";
// A note is settled by the next change: there are a few, each with a path of 4096 bytes at most.
constexpr std::size_t kMaxNotes = std::size_t{2} << 20;

Result<Luks2Header> HeaderOn(const std::string& device) {
  const UniqueFd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return FromErrno(errno, device);
  return ReadLuks2Header(fd.get());
}

std::uint32_t CounterIn(const Luks2Header& header) {
  const Result<GuardRecord> record = FindGuard(header.metadata);
  return record.ok() ? record->nv_index : 0;
}

Result<std::vector<CounterNote>> ReadFrom(const Directory& folder) {
  const Result<Bytes> text = folder.Read(kFile, kMaxNotes);
  if (text.status().code() == Code::kNotFound) return std::vector<CounterNote>();
  RETURN_IF_ERROR(text.status());
  Result<std::vector<CounterNote>> notes = ParseCounterNotes(AsText(*text));
  if (notes.ok()) return notes;
  return Fail(Code::kFailedPrecondition, kDamaged,
              folder.path() + "/" + kFile + ": " + Message(notes.status()));
}

}  // namespace

Result<std::vector<CounterNote>> ParseCounterNotes(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxNotes, kDamaged));
  const auto list = root.find("counters");
  if (list == root.end() || !list->is_array()) {
    return Fail(Code::kInvalidArgument, kDamaged, "/counters: is no list");
  }
  FirstError error(kDamaged);
  std::vector<CounterNote> notes;
  for (const json& one : *list) {
    const std::string where = "/counters/" + std::to_string(notes.size());
    CounterNote& note = notes.emplace_back();
    if (!one.is_object()) {
      return Fail(Code::kInvalidArgument, kDamaged, where + ": is no object");
    }
    ObjectReader reader(one, where, error);
    reader.Text("volume", note.volume);
    reader.Text("device", note.device);
    reader.Number("nv_index", note.nv_index);
  }
  RETURN_IF_ERROR(error.status());
  return notes;
}

std::string ToJson(const std::vector<CounterNote>& notes) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const CounterNote& note : notes) {
    list.push_back({{"volume", note.volume}, {"device", note.device}, {"nv_index", note.nv_index}});
  }
  return nlohmann::ordered_json{{"counters", std::move(list)}}.dump(2) + "\n";
}

Result<bool> NamesCounter(const std::string& device, std::uint32_t nv_index) {
  const Result<Luks2Header> header = HeaderOn(device);
  if (header.ok()) return CounterIn(*header) == nv_index;
  const bool away =
      header.status().code() == Code::kUnavailable ||
      (header.status().code() == Code::kNotFound && Reason(header.status()) != "NOT_LUKS");
  if (away || header.status().code() == Code::kPermissionDenied) return header.status();
  return false;
}

std::uint32_t NamedCounter(const std::string& device) {
  const Result<Luks2Header> header = HeaderOn(device);
  return header.ok() ? CounterIn(*header) : 0;
}

Status CounterNotes::Add(const Directory& folder, const CounterNote& note) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(std::vector<CounterNote> notes, ReadFrom(folder));
  std::erase_if(notes, [&](const CounterNote& one) { return one.nv_index == note.nv_index; });
  notes.push_back(note);
  return folder.Replace(kFile, AsBytes(ToJson(notes)));
}

Status CounterNotes::Remove(const Directory& folder, std::uint32_t nv_index) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(std::vector<CounterNote> notes, ReadFrom(folder));
  std::erase_if(notes, [&](const CounterNote& one) { return one.nv_index == nv_index; });
  if (!notes.empty()) return folder.Replace(kFile, AsBytes(ToJson(notes)));
  return folder.Exists(kFile) ? folder.Remove(kFile) : Status();
}

Result<std::vector<CounterNote>> CounterNotes::Read(const Directory& folder) const {
  const std::lock_guard lock(mutex_);
  return ReadFrom(folder);
}

}  // namespace seaworthy::volumes
