#include <nlohmann/json.hpp>
#include <utility>

#include "modules/docker/audit_report.h"
#include "seaworthy/modules/docker/engine_watch.h"

namespace seaworthy::docker {

using Json = nlohmann::ordered_json;

std::string_view ToString(EngineEvent::Kind kind) {
  constexpr std::string_view kNames[] = {
      "audit",       "appeared",  "gone",  "configuration", "engine-gone",
      "engine-back", "restarted", "drift", "reapplied",     "reapply-refused"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string ToJson(const EngineEvent& event) {
  Json json = {{"time", event.time}, {"kind", ToString(event.kind)}, {"text", event.text}};
  if (event.kind == EngineEvent::Kind::kAudit) json["counts"] = CountsJson(event.counts);
  if (event.finding) json["finding"] = FindingJson(*event.finding);
  if (!event.path.empty()) {
    json["path"] = event.path;
    json["sha256"] = event.sha256;
  }
  for (const auto& [name, value] : {std::pair{"transaction", &event.transaction},
                                    {"result", &event.result},
                                    {"reason", &event.reason}}) {
    if (!value->empty()) json[name] = *value;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace seaworthy::docker
