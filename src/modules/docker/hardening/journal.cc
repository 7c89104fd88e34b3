#include "modules/docker/hardening/journal.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "modules/docker/engine_json.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr const char* kCurrent = "current.json";
constexpr const char* kHistory = "history";
constexpr std::string_view kEnding = ".json";
constexpr std::size_t kMaxEntry = std::size_t{8} << 20;
constexpr std::size_t kMaxHistory = 32;
constexpr std::size_t kMaxListed = 4096;

json ToJsonValue(const OpenTransaction& open) {
  json containers = json::array();
  for (const RunningContainer& container : open.containers) {
    containers.push_back({{"id", container.id}, {"name", container.name}, {"pid", container.pid}});
  }
  return {{"transaction", json::parse(ToJson(open.transaction))},
          {"engine", open.engine},
          {"config_file", open.config_file},
          {"swarm", open.swarm},
          {"effect", Name(open.effect)},
          {"activated", open.activated},
          {"containers", std::move(containers)},
          {"stopped", open.stopped}};
}

Result<OpenTransaction> ParseOpen(std::string_view text) {
  ASSIGN_OR_RETURN(const json value, ParseForeignJson(text, kMaxEntry, "JOURNAL_MALFORMED"));
  OpenTransaction open;
  ASSIGN_OR_RETURN(open.transaction, ParseTransaction(At(value, {"transaction"}).dump()));
  open.engine = At(value, {"engine"});
  open.config_file = Text(At(value, {"config_file"}));
  open.swarm = IsTrue(At(value, {"swarm"}));
  const std::string effect = Text(At(value, {"effect"}));
  for (const Effect known : {Effect::kReload, Effect::kRestart}) {
    if (effect == Name(known)) open.effect = known;
  }
  open.activated = IsTrue(At(value, {"activated"}));
  open.stopped = Texts(At(value, {"stopped"}));
  for (const json& container : At(value, {"containers"})) {
    open.containers.push_back({Text(At(container, {"id"})), Text(At(container, {"name"})),
                               static_cast<pid_t>(Number(At(container, {"pid"})))});
  }
  return open;
}

// Its own error rather than the parser's: what is wrong is the journal.
template <class T>
Result<T> Malformed(const Result<T>& parsed, const std::string& path) {
  if (parsed.ok()) return parsed;
  return Fail(Code::kInternal, "JOURNAL_MALFORMED", path + ": " + Message(parsed.status()));
}

Result<std::vector<Transaction>> ReadEntries(const Directory& history) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, history.List(kMaxListed));
  std::ranges::sort(names, std::greater<>());
  std::vector<Transaction> entries;
  for (const std::string& name : names) {
    if (!name.ends_with(kEnding) || name.starts_with('.')) continue;
    ASSIGN_OR_RETURN(const Bytes content, history.Read(name, kMaxEntry));
    ASSIGN_OR_RETURN(Transaction entry,
                     Malformed(ParseTransaction(AsText(content)), history.path() + "/" + name));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<Journal> Journal::Open(const std::string& folder) {
  ASSIGN_OR_RETURN(Directory opened, Directory::Create(folder));
  UniqueFd lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!lock) return FromErrno(errno, "open " + folder);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return Journal(std::move(lock), std::move(opened));
  if (errno != EWOULDBLOCK) return FromErrno(errno, "lock " + folder);
  return Fail(Code::kUnavailable, "HARDENING_BUSY",
              folder + ": another transaction of the engine's configuration is under way");
}

Result<std::optional<OpenTransaction>> Journal::Current() const {
  const Result<Bytes> content = folder_.Read(kCurrent, kMaxEntry);
  if (content.status().code() == Code::kNotFound) return std::nullopt;
  RETURN_IF_ERROR(content.status());
  ASSIGN_OR_RETURN(OpenTransaction open,
                   Malformed(ParseOpen(AsText(*content)), folder_.path() + "/" + kCurrent));
  ASSIGN_OR_RETURN(const Directory history, folder_.OpenSubdirectory(kHistory));
  if (!history.Exists(open.transaction.id + std::string(kEnding))) return open;
  RETURN_IF_ERROR(Forget());
  return std::nullopt;
}

Status Journal::Write(const OpenTransaction& open) const {
  return folder_.Replace(kCurrent, AsBytes(ToJsonValue(open).dump(2) + "\n"));
}

Status Journal::End(const Transaction& transaction) const {
  ASSIGN_OR_RETURN(const Directory history, folder_.OpenSubdirectory(kHistory));
  RETURN_IF_ERROR(folder_.Sync());
  const std::string name = transaction.id + std::string(kEnding);
  if (Status kept = history.Replace(name, AsBytes(ToJson(transaction) + "\n")); !kept.ok()) {
    (void)history.Remove(name);
    return kept;
  }
  // It is over now, whatever else happens.
  (void)Forget();
  const Result<std::vector<std::string>> names = history.List(kMaxListed);
  for (std::size_t i = 0; names.ok() && i + kMaxHistory < names->size(); ++i) {
    (void)history.Remove((*names)[i]);
  }
  return {};
}

Status Journal::Forget() const {
  RETURN_IF_ERROR(folder_.Remove(kCurrent));
  return folder_.Sync();
}

bool IsUnderWay(const std::string& folder) {
  const Result<Directory> opened = Directory::Open(folder);
  return opened.ok() && opened->Exists(kCurrent);
}

Result<std::vector<Transaction>> ReadHistory(const std::string& folder) {
  const Result<Directory> opened = Directory::Open(folder);
  if (opened.status().code() == Code::kNotFound) return std::vector<Transaction>();
  RETURN_IF_ERROR(opened.status());
  const Result<Directory> history = opened->OpenExisting(kHistory);
  if (history.status().code() == Code::kNotFound) return std::vector<Transaction>();
  RETURN_IF_ERROR(history.status());
  return ReadEntries(*history);
}

}  // namespace seaworthy::docker
