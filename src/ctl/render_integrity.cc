#include "ctl/render.h"

namespace seaworthy::ctl {
namespace {

template <class Words>
std::string Join(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + Printable(word);
  return text.empty() ? "none" : text;
}

std::string PolicyWord(v1::ImaPolicyState policy) {
  switch (policy) {
    case v1::IMA_POLICY_NOT_LOADED:
      return "not loaded";
    case v1::IMA_POLICY_LOADED:
      return "loaded";
    case v1::IMA_POLICY_EXTENSIBLE:
      return "the kernel takes more rules at any time";
    default:
      return "unknown";
  }
}

std::string Keyrings(const v1::IntegrityState& state) {
  std::string text;
  for (const v1::Keyring& keyring : state.keyrings()) {
    text += (text.empty() ? "" : ", ") + Printable(keyring.name()) + " " +
            std::to_string(keyring.keys());
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::string RenderIntegrityState(const v1::IntegrityState& state, const Style& style) {
  const v1::ImaState& ima = state.ima();
  Rows rows;
  if (ima.present()) {
    rows = {{"IMA list", std::to_string(ima.entries()) + " entries, " +
                             std::to_string(ima.violations()) + " violations"},
            {"  template", Printable(ima.template_name()) + ", " + Printable(ima.hash())},
            {"  boot policies", Join(ima.boot_policies())},
            {"  custom policy", PolicyWord(ima.custom_policy())},
            {"  appraisal", Printable(ima.appraisal())}};
  } else {
    rows = {{"IMA list", "none"}};
  }
  rows.push_back({"EVM", state.evm().present() ? std::to_string(state.evm().value()) : "none"});
  rows.push_back({"lockdown", state.lockdown().empty() ? "none" : Printable(state.lockdown())});
  rows.push_back({"security modules", Join(state.security_modules())});
  rows.push_back({"keys in keyrings", Keyrings(state)});
  std::string text = Align(rows, "") + "\n";
  rows.clear();
  for (const v1::IntegrityFeature& feature : state.features()) {
    rows.push_back({Printable(feature.name()),
                    (feature.available() ? style.Good("yes") : style.Warning("no")) + ": " +
                        Printable(feature.detail())});
  }
  return text + Align(rows, "");
}

}  // namespace seaworthy::ctl
