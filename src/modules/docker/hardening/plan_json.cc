#include <nlohmann/json.hpp>

#include "modules/docker/digest.h"
#include "modules/docker/hardening/json_words.h"
#include "modules/docker/hardening/plan.h"

namespace seaworthy::docker {
namespace {

using Json = nlohmann::ordered_json;

Json Changes(const Plan& plan) {
  Json changes = Json::array();
  for (const SettingChange& change : plan.changes) {
    changes.push_back({{"key", change.key},
                       {"before", change.before},
                       {"origin", change.origin},
                       {"after", change.after},
                       {"effect", Name(change.effect)},
                       {"why", change.why}});
  }
  return changes;
}

Json Object(const Plan& plan) {
  Json skipped = Json::array();
  for (const SkippedSetting& setting : plan.skipped) {
    skipped.push_back({{"key", setting.key}, {"why", setting.why}});
  }
  Json consents = Json::array();
  for (const NeededConsent& needed : plan.consents) {
    consents.push_back({{"consent", Name(needed.consent)}, {"why", needed.why}});
  }
  return {{"profile", plan.profile},     {"socket", plan.socket},
          {"engine", plan.engine},       {"changes", Changes(plan)},
          {"skipped", skipped},          {"consents", consents},
          {"warnings", plan.warnings},   {"files", FilesToJson(plan.files)},
          {"effect", Name(plan.effect)}, {"canary", plan.canary}};
}

}  // namespace

std::string ToJson(const Plan& plan) {
  Json object = Object(plan);
  object["digest"] = plan.digest;
  return OneLine(object);
}

void Seal(Plan& plan) { plan.digest = Sha256Hex(AsBytes(OneLine(Object(plan)))); }

}  // namespace seaworthy::docker
