#include "modules/docker/engine_process.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <filesystem>
#include <set>

#include "modules/docker/proc_net.h"
#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxArguments = std::size_t{2} << 20;  // ARG_MAX
constexpr std::size_t kMaxTable = std::size_t{8} << 20;
constexpr std::size_t kMaxProcesses = 200'000;

std::string LinkTarget(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  target.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return target;
}

// Inodes of the sockets that the process has open.
Result<std::set<std::uint64_t>> SocketsOf(const std::string& process) {
  std::error_code error;
  std::set<std::uint64_t> inodes;
  constexpr std::string_view kSocket = "socket:[";
  for (fs::directory_iterator at(process + "/fd", error), end; !error && at != end;
       at.increment(error)) {
    const std::string target = LinkTarget(at->path().string());
    if (!target.starts_with(kSocket)) continue;
    std::uint64_t inode = 0;
    std::from_chars(target.data() + kSocket.size(), target.data() + target.size(), inode);
    inodes.insert(inode);
  }
  if (error) return FromErrno(error.value(), "list " + process + "/fd");
  return inodes;
}

std::string Canonical(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return error ? path : canonical.string();
}

Result<std::vector<Listener>> ListenersOf(const std::string& process) {
  ASSIGN_OR_RETURN(const std::set<std::uint64_t> sockets, SocketsOf(process));
  std::vector<Listener> listeners;
  const auto take = [&](const std::vector<ListeningSocket>& listening) {
    for (const ListeningSocket& socket : listening) {
      if (sockets.contains(socket.inode)) listeners.push_back(socket.listener);
    }
  };
  ASSIGN_OR_RETURN(const Bytes unix_table, ReadFile(process + "/net/unix", kMaxTable));
  take(ParseProcNetUnix(AsText(unix_table)));
  for (const char* const table : {"/net/tcp", "/net/tcp6"}) {
    const Result<Bytes> text = ReadFile(process + table, kMaxTable);
    if (text.ok()) take(ParseProcNetTcp(AsText(*text)));  // a kernel may be without IPv6
  }
  return listeners;
}

bool ListensAt(const std::vector<Listener>& listeners, const std::string& socket) {
  const std::string wanted = Canonical(socket);
  for (const Listener& listener : listeners) {
    if (listener.kind == Listener::Kind::kUnix && Canonical(listener.address) == wanted) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> SplitArguments(std::string_view text) {
  std::vector<std::string> arguments;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    arguments.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return arguments;
}

Result<EngineProcess> Describe(const std::string& process, pid_t pid,
                               std::vector<Listener> listeners) {
  EngineProcess engine;
  engine.pid = pid;
  engine.listeners = std::move(listeners);
  struct stat owner = {};
  if (stat(process.c_str(), &owner) != 0) return FromErrno(errno, "stat " + process);
  engine.uid = owner.st_uid;
  engine.executable = LinkTarget(process + "/exe");
  engine.working_directory = LinkTarget(process + "/cwd");
  ASSIGN_OR_RETURN(const Bytes text, ReadFile(process + "/cmdline", kMaxArguments));
  engine.arguments = SplitArguments(AsText(text));
  if (!engine.arguments.empty()) engine.arguments.erase(engine.arguments.begin());
  return engine;
}

}  // namespace

Result<EngineProcess> FindEngineProcess(const std::string& proc, const std::string& socket) {
  std::error_code error;
  Status hidden;
  std::size_t seen = 0;
  for (fs::directory_iterator at(proc, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ptr != name.data() + name.size() || ++seen > kMaxProcesses) continue;
    const std::string process = at->path().string();
    // Its name only says where to look: that it has the socket is what counts.
    const Result<Bytes> comm = ReadFile(process + "/comm", 64);
    if (!comm.ok() || AsText(*comm) != "dockerd\n") continue;
    Result<std::vector<Listener>> listeners = ListenersOf(process);
    if (listeners.status().code() == Code::kNotFound) continue;  // it has ended
    if (!listeners.ok()) {
      hidden = listeners.status();
      continue;
    }
    if (ListensAt(*listeners, socket)) return Describe(process, pid, *std::move(listeners));
  }
  if (!hidden.ok()) {
    return Fail(Code::kPermissionDenied, "ENGINE_PROCESS",
                "the sockets of a dockerd cannot be seen: " + Message(hidden));
  }
  return Fail(Code::kNotFound, "ENGINE_PROCESS", "no dockerd listens at " + socket);
}

}  // namespace seaworthy::docker
