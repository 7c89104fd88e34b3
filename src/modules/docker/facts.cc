#include "modules/docker/facts.h"

#include "modules/docker/container_processes.h"
#include "modules/docker/engine_api.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/tls_listener.h"
#include "modules/docker/unit_files.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {

using nlohmann::json;

namespace {

// Above that an audit says that it cannot tell, rather than hold all of them in memory.
constexpr std::size_t kMaxObjects = 5000;
constexpr std::size_t kMaxExecs = 1000;  // of one container
constexpr const char* kSystemContainerd = "/run/containerd/containerd.sock";

// What a list of the engine names, each looked at by itself. `id` is the member that names it.
Result<std::vector<json>> InspectAll(Deadline deadline, EngineApi& engine, const std::string& list,
                                     const char* id, const std::string& before,
                                     const std::string& after) {
  ASSIGN_OR_RETURN(const json listed, engine.Get(deadline, list));
  if (!listed.is_array()) {
    return Fail(Code::kInternal, "ENGINE_ANSWER_MALFORMED",
                engine.socket() + ": the answer to " + list + " is no list");
  }
  if (listed.size() > kMaxObjects) {
    return Fail(Code::kResourceExhausted, "ENGINE_ANSWER_TOO_LONG",
                engine.socket() + ": " + list + " has " + std::to_string(listed.size()) +
                    " entries, of which no more than " + std::to_string(kMaxObjects) +
                    " are looked at");
  }
  std::vector<json> all;
  for (const json& entry : listed) {
    const std::string path = before + UrlEncode(Text(At(entry, {id}))) + after;
    Result<json> inspected = engine.Get(deadline, path);
    if (inspected.status().code() == Code::kNotFound) continue;  // removed meanwhile
    RETURN_IF_ERROR(inspected.status());
    all.push_back(*std::move(inspected));
  }
  return all;
}

Result<std::vector<json>> InspectImages(Deadline deadline, EngineApi& engine) {
  ASSIGN_OR_RETURN(std::vector<json> images,
                   InspectAll(deadline, engine, "/images/json", "Id", "/images/", "/json"));
  for (json& image : images) {
    const std::string id = Text(At(image, {"Id"}));
    Result<json> history = engine.Get(deadline, "/images/" + UrlEncode(id) + "/history");
    if (history.status().code() == Code::kNotFound) continue;
    RETURN_IF_ERROR(history.status());
    if (image.is_object()) image["History"] = *std::move(history);
  }
  return images;
}

Result<std::vector<json>> ListVolumes(Deadline deadline, EngineApi& engine) {
  ASSIGN_OR_RETURN(const json answer, engine.Get(deadline, "/volumes"));
  const json& listed = At(answer, {"Volumes"});
  std::vector<json> volumes;
  if (listed.is_array()) volumes.assign(listed.begin(), listed.end());  // null: there are none
  return volumes;
}

Result<std::vector<json>> InspectExecs(Deadline deadline, EngineApi& engine,
                                       const std::vector<std::string>& ids) {
  std::vector<json> execs;
  for (const std::string& id : ids) {
    if (execs.size() >= kMaxExecs) break;
    Result<json> exec = engine.Get(deadline, "/exec/" + UrlEncode(id) + "/json");
    if (exec.status().code() == Code::kNotFound) continue;  // forgotten meanwhile
    RETURN_IF_ERROR(exec.status());
    execs.push_back(*std::move(exec));
  }
  return execs;
}

void AskForExecs(Deadline deadline, EngineApi& engine, const std::set<std::string>& more,
                 Facts& facts) {
  if (!facts.containers.ok()) return;
  std::map<std::string, std::vector<std::string>> ids;
  std::set<std::string> ended = more;
  for (const json& container : *facts.containers) {
    if (!IsTrue(At(container, {"State", "Running"}))) continue;
    std::vector<std::string>& of = ids[Text(At(container, {"Id"}))];
    of = Texts(At(container, {"ExecIDs"}));
    for (const std::string& id : of) ended.erase(id);
  }
  for (const auto& [container, of] : ids) {
    facts.execs[container] = InspectExecs(deadline, engine, of);
  }
  const Result<std::vector<json>> others =
      InspectExecs(deadline, engine, {ended.begin(), ended.end()});
  if (!others.ok()) return;
  for (const json& exec : *others) {
    const auto of = facts.execs.find(Text(At(exec, {"ContainerID"})));
    if (of != facts.execs.end() && of->second.ok()) of->second->push_back(exec);
  }
}

void AskEngine(Deadline deadline, const FactsOptions& options, Facts& facts) {
  EngineApi engine(facts.socket);
  facts.version = engine.Get(deadline, "/version");
  if (!facts.version.ok()) {
    // Not asked again: each question to one that hangs would take all the time there is.
    const Status why = facts.version.status();
    facts.info = why;
    facts.containers = why;
    facts.images = why;
    facts.networks = why;
    facts.volumes = why;
    return;
  }
  facts.info = engine.Get(deadline, "/info");
  facts.containers =
      InspectAll(deadline, engine, "/containers/json?all=1", "Id", "/containers/", "/json");
  facts.images = InspectImages(deadline, engine);
  facts.networks = InspectAll(deadline, engine, "/networks", "Id", "/networks/", "");
  facts.volumes = ListVolumes(deadline, engine);
  AskForExecs(deadline, engine, options.execs, facts);
}

Result<DaemonJson> ReadDaemonJson(Facts& facts) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> content,
                   facts.root.Read(facts.config_file.path, kMaxDaemonJson));
  facts.config_file.present = content.has_value();
  if (!content) return DaemonJson();
  Result<DaemonJson> parsed = ParseDaemonJson(AsText(*content), facts.engine_version);
  if (!parsed.ok()) return Wrap(parsed.status(), facts.config_file.path);
  return parsed;
}

Result<EffectiveConfig> ReadConfig(Facts& facts) {
  RETURN_IF_ERROR(facts.process.status());
  RETURN_IF_ERROR(facts.version.status());
  ASSIGN_OR_RETURN(facts.engine_version, ParseEngineVersion(Text(At(*facts.version, {"Version"}))));
  const EngineFlags flags = ParseEngineFlags(facts.process->arguments, facts.engine_version);
  facts.config_file.path = flags.config_file();
  facts.config_file.named = flags.has("config-file");
  if (!facts.config_file.path.starts_with('/')) {
    facts.config_file.path = facts.process->working_directory + "/" + facts.config_file.path;
  }
  ASSIGN_OR_RETURN(const DaemonJson file, ReadDaemonJson(facts));
  return MakeEffectiveConfig(flags, file, facts.engine_version);
}

bool IsThere(const Facts& facts, const std::string& path) {
  const Result<std::optional<std::string>> found = facts.root.Canonical(path);
  return found.ok() && found->has_value();
}

// An engine without --containerd takes the system's where it runs, and else starts its own.
std::string ContainerdSocket(const Facts& facts) {
  if (facts.config.ok()) {
    const std::string named = Text(facts.config->Value("containerd"));
    if (!named.empty()) return named;
  }
  const std::string own = facts.exec_root + "/containerd/containerd.sock";
  return IsThere(facts, own) || !IsThere(facts, kSystemContainerd) ? own : kSystemContainerd;
}

void TellPlaces(Facts& facts) {
  const auto setting = [&](const char* key, const char* otherwise) {
    const std::string value = facts.config.ok() ? Text(facts.config->Value(key)) : "";
    return value.empty() ? otherwise : value;
  };
  facts.data_root = facts.info.ok() ? Text(At(*facts.info, {"DockerRootDir"})) : "";
  if (facts.data_root.empty()) facts.data_root = setting("data-root", "/var/lib/docker");
  facts.exec_root = setting("exec-root", "/var/run/docker");
  facts.containerd_socket = ContainerdSocket(facts);
}

Status FindUnits(Facts& facts) {
  for (const char* const unit : {"docker.service", "docker.socket", "containerd.service"}) {
    ASSIGN_OR_RETURN(const std::optional<std::string> path, FindUnitFile(facts.root, unit));
    if (path) facts.units[unit] = *path;
  }
  return {};
}

}  // namespace

Result<Facts> CollectFacts(Deadline deadline, const FactsOptions& options) {
  ASSIGN_OR_RETURN(os::RootFolder root, os::RootFolder::Open(options.root));
  Facts facts(std::move(root));
  facts.socket = options.socket;
  facts.process = FindEngineProcess(options.root + "/proc", options.socket);
  AskEngine(deadline, options, facts);
  facts.config = ReadConfig(facts);
  TellPlaces(facts);
  facts.audit_rules = ReadAuditRules(deadline);
  RETURN_IF_ERROR(FindUnits(facts));
  // A rootless engine's addresses are of a network of its own; here another program may have them.
  const bool here = facts.process.ok() && facts.process->uid == 0;
  if (here) facts.tls = ProbeTlsListeners(deadline, facts.process->listeners);
  if (facts.containers.ok()) {
    facts.container_processes = ReadContainerProcesses(options.root, *facts.containers);
  }
  return facts;
}

}  // namespace seaworthy::docker
