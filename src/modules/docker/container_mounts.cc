// What a container has of the host's files.
#include <algorithm>
#include <utility>

#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

// With the engine's own folders, which the facts name.
constexpr const char* kSensitive[] = {"/bin",
                                      "/boot",
                                      "/dev",
                                      "/etc",
                                      "/lib",
                                      "/lib64",
                                      "/proc",
                                      "/root",
                                      "/run",
                                      "/sbin",
                                      "/sys",
                                      "/usr",
                                      "/var/lib/containerd",
                                      "/var/run"};

bool IsVolume(const json& mount) { return Text(At(mount, {"Type"})) == "volume"; }

std::string SourceOf(const json& mount) {
  const std::string type = Text(At(mount, {"Type"}));
  return type == "tmpfs" || type == "image" ? "" : Text(At(mount, {"Source"}));
}

// The folder that a volume is made of by its driver's options, as of `docker volume create -o
// o=bind -o device=/etc`; empty for one with a folder of its own.
Result<std::string> BoundFolder(const Facts& facts, const json& mount) {
  if (!IsVolume(mount)) return std::string();
  RETURN_IF_ERROR(facts.volumes.status());
  const std::string name = Text(At(mount, {"Name"}));
  for (const json& volume : *facts.volumes) {
    if (Text(At(volume, {"Name"})) != name || Text(At(volume, {"Driver"})) != "local") continue;
    const std::string how = Text(At(volume, {"Options", "o"}));
    const std::vector<std::string_view> words = Split(how, ',');
    if (std::ranges::none_of(
            words, [](std::string_view word) { return word == "bind" || word == "rbind"; })) {
      return "";
    }
    return Text(At(volume, {"Options", "device"}));
  }
  return "";
}

std::string Evidence(const json& mount) {
  return "Mounts: " + Text(At(mount, {"Source"})) + " at " + Text(At(mount, {"Destination"})) +
         (IsTrue(At(mount, {"RW"})) ? ", writable" : ", read-only");
}

Result<std::vector<HostPlaces::Folder>> FindSockets(const Facts& facts) {
  std::vector<std::string> paths = {facts.socket};
  if (facts.process.ok()) {
    for (const Listener& listener : facts.process->listeners) {
      if (listener.kind == Listener::Kind::kUnix && listener.address != facts.socket) {
        paths.push_back(listener.address);
      }
    }
  }
  std::vector<HostPlaces::Folder> sockets;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(HostLocation location, Locate(facts.root, path));
    if (location.there) sockets.push_back({path, std::move(location)});
  }
  if (sockets.empty()) {
    return Fail(
        Code::kNotFound, "ENGINE_SOCKET",
        facts.socket + ": the engine's socket is not there, so nothing can be compared with it");
  }
  return sockets;
}

// Its name where `source` is, has, or is in a sensitive folder. A volume is in the engine's own
// folder and may be there; where it is another name of a folder, the folder's inode tells.
std::string SensitiveFolder(const HostPlaces& places, const HostLocation& source, bool volume) {
  if (source.there && source.way.back() == places.root->way.back()) return "/";
  for (const HostPlaces::Folder& folder : places.sensitive) {
    if (IsWithin(folder.location, source)) return folder.name;
    if (!volume && IsWithin(source, folder.location)) return folder.name;
  }
  return "";
}

// Whether what is mounted from `path` on the host belongs to the host.
Judgement JudgeSource(const ContainerCase& of, const json& mount, const std::string& path,
                      bool volume) {
  const Result<HostLocation> source = Locate(of.facts.root, path);
  if (!source.ok()) {
    return Remark{Message(source.status()), Evidence(mount), Outcome::kCannotTell};
  }
  if (std::ranges::any_of(of.places.permitted, [&](const HostLocation& permitted) {
        return IsWithin(*source, permitted);
      })) {
    return std::nullopt;
  }
  const std::string folder = SensitiveFolder(of.places, *source, volume);
  if (folder.empty()) return std::nullopt;
  return Remark{"It has what belongs to the host's " + folder + ".", Evidence(mount)};
}

}  // namespace

HostPlaces FindHostPlaces(const Facts& facts, const SitePolicy& policy) {
  HostPlaces places;
  places.root = Locate(facts.root, "/");
  std::vector<std::string> names(std::begin(kSensitive), std::end(kSensitive));
  names.insert(names.end(), {facts.data_root, facts.exec_root});
  for (const std::string& name : names) {
    if (name.empty()) continue;
    Result<HostLocation> location = Locate(facts.root, name);
    // Only what is there can be mounted. Where it cannot be looked at, so it is with the sources.
    if (location.ok() && location->there) {
      places.sensitive.push_back({name, *std::move(location)});
    }
  }
  for (const std::string& name : policy.mounts) {
    Result<HostLocation> location = Locate(facts.root, name);
    if (location.ok() && location->there) places.permitted.push_back(*std::move(location));
  }
  places.sockets = FindSockets(facts);
  return places;
}

Judgement JudgeSensitiveMounts(const ContainerCase& of) {
  if (!of.places.root.ok()) {
    return Remark{Message(of.places.root.status()), "", Outcome::kCannotTell};
  }
  for (const json& mount : At(of.container, {"Mounts"})) {
    const std::string path = SourceOf(mount);
    if (path.empty()) continue;
    if (Judgement judgement = JudgeSource(of, mount, path, IsVolume(mount))) return judgement;
    const Result<std::string> bound = BoundFolder(of.facts, mount);
    if (!bound.ok()) return Remark{Message(bound.status()), Evidence(mount), Outcome::kCannotTell};
    if (bound->empty()) continue;
    if (Judgement judgement = JudgeSource(of, mount, *bound, /*volume=*/false)) {
      judgement->evidence += ", a volume of " + *bound;
      return judgement;
    }
  }
  return std::nullopt;
}

Judgement JudgeRootFileSystem(const ContainerCase& of) {
  if (IsTrue(At(of.container, {"HostConfig", "ReadonlyRootfs"}))) return std::nullopt;
  return Remark{"It can write to its root file system.", "HostConfig.ReadonlyRootfs = false"};
}

Judgement JudgePropagation(const ContainerCase& of) {
  for (const json& mount : At(of.container, {"Mounts"})) {
    const std::string propagation = Text(At(mount, {"Propagation"}));
    if (propagation != "shared" && propagation != "rshared") continue;
    return Remark{"What it mounts there is mounted on the host as well.",
                  Evidence(mount) + ", " + propagation};
  }
  return std::nullopt;
}

Judgement JudgeEngineSocket(const ContainerCase& of) {
  for (const json& mount : At(of.container, {"Mounts"})) {
    const std::string path = SourceOf(mount);
    if (path.empty()) continue;
    if (!of.places.sockets.ok()) {
      return Remark{Message(of.places.sockets.status()), Evidence(mount), Outcome::kCannotTell};
    }
    const Result<HostLocation> source = Locate(of.facts.root, path);
    if (!source.ok()) {
      return Remark{Message(source.status()), Evidence(mount), Outcome::kCannotTell};
    }
    for (const HostPlaces::Folder& socket : *of.places.sockets) {
      if (!IsWithin(socket.location, *source)) continue;
      return Remark{
          "It can tell the engine what to do, as root on the host: it has " + socket.name + ".",
          Evidence(mount)};
    }
  }
  return std::nullopt;
}

}  // namespace seaworthy::docker
