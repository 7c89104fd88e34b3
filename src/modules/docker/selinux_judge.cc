#include <nlohmann/json.hpp>

#include "modules/docker/selinux_labels.h"
#include "seaworthy/modules/docker/selinux_state.h"

namespace seaworthy::docker {

using Json = nlohmann::ordered_json;

namespace {

// The program that is to be relabelled before it starts, or empty.
std::string ProgramToRelabel(const SelinuxState& state, const std::string& name) {
  for (const std::string& path : PlannedRelabels(state)) {
    if (path.ends_with("bin/" + name)) return path;
  }
  return "";
}

// Empty when the process may start containers as they are labelled.
std::string WhyNoContainers(const SelinuxState& state, const std::string& name,
                            const SelinuxProcess& process) {
  const std::string as = "containers as " + SelinuxType(state.container_process);
  if (process.seen && process.may_start) return "";
  if (!process.seen && process.next_may_start) {
    const std::string program = ProgramToRelabel(state, name);
    return program.empty() ? "" : program + " is to be relabelled before it starts";
  }
  const std::string next = SelinuxType(process.next);
  if (process.next_may_start) {
    return name + " runs as " + SelinuxType(process.label) + ", which may not start " + as +
           "; relabelled and started anew it runs as " + next + ", which may";
  }
  if (!process.seen && next.empty()) {
    return name + " is not there, so it cannot be told whether it may start " + as;
  }
  return "the policy does not let " + name + " (" +
         (process.seen ? SelinuxType(process.label) : next) + ") start " + as;
}

Json ProcessJson(const SelinuxProcess& process) {
  return {{"running", process.seen},
          {"label", process.label},
          {"may_start_containers", process.may_start},
          {"next_label", process.next},
          {"next_may_start_containers", process.next_may_start}};
}

}  // namespace

std::string_view ToString(SelinuxMode mode) {
  switch (mode) {
    case SelinuxMode::kEnforcing:
      return "enforcing";
    case SelinuxMode::kPermissive:
      return "permissive";
    default:
      return "disabled";
  }
}

bool SelinuxFile::Differs() const {
  return !wanted.empty() && SelinuxType(label) != SelinuxType(wanted);
}

std::vector<std::string> MissingForSelinux(const SelinuxState& state) {
  if (!state.in_kernel) {
    return {
        "the kernel runs without SELinux: it is not built in, or not asked for by "
        "\"security=selinux selinux=1\" on the kernel's command line"};
  }
  if (state.mode == SelinuxMode::kDisabled) {
    return {"SELinux is in the kernel, and no policy is loaded"};
  }
  std::vector<std::string> missing;
  if (state.mode == SelinuxMode::kPermissive) {
    missing.emplace_back("SELinux is permissive: it logs and denies nothing");
  }
  if (state.container_process.empty() || state.container_file.empty()) {
    missing.push_back(state.contexts_file +
                      " names no labels for containers, so the engine gives them none");
    return missing;
  }
  if (!state.container_process_valid || !state.container_file_valid) {
    const std::string& unknown =
        state.container_process_valid ? state.container_file : state.container_process;
    missing.push_back("the loaded policy has no " + SelinuxType(unknown) + ", which " +
                      state.contexts_file + " names: no module for containers is in it");
    return missing;
  }
  for (const auto& [name, process] :
       {std::pair("dockerd", &state.engine), std::pair("containerd", &state.containerd)}) {
    std::string why = WhyNoContainers(state, name, *process);
    if (!why.empty()) missing.push_back(std::move(why));
  }
  return missing;
}

std::string WhySelinuxWouldNotWork(const SelinuxState& state) {
  const std::vector<std::string> missing = MissingForSelinux(state);
  return missing.empty() ? "" : missing.front();
}

std::vector<std::string> PlannedRelabels(const SelinuxState& state) {
  std::vector<std::string> paths;
  for (const SelinuxFile& file : state.files) {
    if (file.Differs()) paths.push_back(file.path);
  }
  return paths;
}

std::string ToJson(const SelinuxState& state) {
  Json files = Json::array();
  for (const SelinuxFile& file : state.files) {
    files.push_back({{"path", file.path},
                     {"label", file.label},
                     {"policy_label", file.wanted},
                     {"differs", file.Differs()}});
  }
  const std::vector<std::string> missing = MissingForSelinux(state);
  const Json all = {{"works", missing.empty()},
                    {"missing", missing},
                    {"in_kernel", state.in_kernel},
                    {"mode", ToString(state.mode)},
                    {"policy", state.policy},
                    {"policy_version", state.policy_version},
                    {"booleans", state.booleans},
                    {"contexts_file", state.contexts_file},
                    {"container_process", state.container_process},
                    {"container_file", state.container_file},
                    {"dockerd", ProcessJson(state.engine)},
                    {"containerd", ProcessJson(state.containerd)},
                    {"engine_labels", state.engine_labels ? Json(*state.engine_labels) : Json()},
                    {"files", files},
                    {"relabel", PlannedRelabels(state)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace seaworthy::docker
