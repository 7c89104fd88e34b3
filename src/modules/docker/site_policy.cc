#include "modules/docker/site_policy.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "modules/docker/audit.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/docker/engine_audit.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kMalformed = "SITE_POLICY_MALFORMED";
constexpr auto kOptional = ObjectReader::kOptional;

void ReadTexts(ObjectReader& reader, const char* name, std::set<std::string, std::less<>>& out) {
  std::vector<std::string> texts;
  if (reader.Texts(name, texts, kOptional)) out = {texts.begin(), texts.end()};
}

std::optional<std::set<std::uint16_t>> ReadPorts(ObjectReader& reader, const char* name) {
  const json* const list = reader.Any(name, kOptional);
  if (list == nullptr) return {};
  std::set<std::uint16_t> ports;
  bool good = list->is_array();
  for (std::size_t i = 0; good && i < list->size(); ++i) {
    const json& port = (*list)[i];
    good = port.is_number_unsigned() && port.get<std::uint64_t>() - 1 < 0xffff;
    if (good) ports.insert(port.get<std::uint16_t>());
  }
  if (!good) reader.Tell(name, "is no list of ports, 1 to 65535");
  return ports;
}

// "2027-03-31"
bool IsDate(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-dd";
  return text.size() == kForm.size() && std::ranges::equal(text, kForm, [](char c, char form) {
           return form == 'd' ? c >= '0' && c <= '9' : c == form;
         });
}

void CheckKnown(const ObjectReader& reader, FirstError& error) {
  const json rest = reader.Rest();
  for (const auto& [name, value] : rest.items()) {
    error.Tell(reader.where() + "/" + name, "is no field of a site's policy");
  }
}

AuditException ReadException(const json& value, const std::string& where, FirstError& error) {
  ObjectReader reader(value, where, error);
  AuditException exception;
  if (reader.Text("check", exception.check) && FindCheck(exception.check) == nullptr) {
    reader.Tell("check", "is no check of the benchmark: " + Quoted(exception.check));
  }
  reader.Text("subject", exception.subject, kOptional);
  if (reader.Text("reason", exception.reason) && exception.reason.empty()) {
    reader.Tell("reason", "is empty; an exception has one");
  }
  if (reader.Text("until", exception.until) && !IsDate(exception.until)) {
    reader.Tell("until", "is no date as 2027-03-31");
  }
  CheckKnown(reader, error);
  return exception;
}

void ReadExceptions(ObjectReader& reader, FirstError& error, SitePolicy& policy) {
  const json* const list = reader.Any("exceptions", kOptional);
  if (list == nullptr) return;
  if (!list->is_array()) {
    reader.Tell("exceptions", "is no list");
    return;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string where = "/exceptions/" + std::to_string(i);
    policy.exceptions.push_back(ReadException((*list)[i], where, error));
  }
}

void ReadMinimum(ObjectReader& reader, SitePolicy& policy) {
  std::string text;
  if (!reader.Text("minimum_engine", text, kOptional)) return;
  const Result<EngineVersion> version = ParseEngineVersion(text);
  if (version.ok()) {
    policy.minimum_engine = *version;
  } else {
    reader.Tell("minimum_engine", Message(version.status()));
  }
}

}  // namespace

Result<SitePolicy> ParseSitePolicy(std::string_view text) {
  ASSIGN_OR_RETURN(const json file, ParseForeignJson(text, kMaxSitePolicy, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(file, "", error);
  SitePolicy policy;
  ReadMinimum(reader, policy);
  ReadTexts(reader, "docker_group", policy.docker_group);
  ReadTexts(reader, "insecure_registries", policy.insecure_registries);
  ReadTexts(reader, "capabilities", policy.capabilities);
  ReadTexts(reader, "mounts", policy.mounts);
  ReadTexts(reader, "devices", policy.devices);
  policy.privileged_ports = ReadPorts(reader, "privileged_ports").value_or(policy.privileged_ports);
  policy.ports = ReadPorts(reader, "ports");
  reader.Number("unused_images", policy.unused_images, kOptional);
  reader.Number("stopped_containers", policy.stopped_containers, kOptional);
  reader.Number("swarm_managers", policy.swarm_managers, kOptional);
  reader.Flag("swarm", policy.swarm, kOptional);
  ReadExceptions(reader, error, policy);
  CheckKnown(reader, error);
  RETURN_IF_ERROR(error.status());
  return policy;
}

}  // namespace seaworthy::docker
