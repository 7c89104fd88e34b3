#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

std::string_view Name(Effect effect) {
  switch (effect) {
    case Effect::kNone:
      return "none";
    case Effect::kReload:
      return "reload";
    case Effect::kRestart:
      return "restart";
  }
  return "";
}

std::string_view Name(Consent consent) {
  switch (consent) {
    case Consent::kMoveData:
      return "move-data";
    case Consent::kStopContainers:
      return "stop-containers";
    case Consent::kLoseAccess:
      return "lose-access";
  }
  return "";
}

Result<Consent> ParseConsent(std::string_view name) {
  for (const Consent consent :
       {Consent::kMoveData, Consent::kStopContainers, Consent::kLoseAccess}) {
    if (Name(consent) == name) return consent;
  }
  return Fail(Code::kInvalidArgument, "CONSENT_UNKNOWN",
              Quoted(name) + " is none of move-data, stop-containers, lose-access");
}

}  // namespace seaworthy::docker
