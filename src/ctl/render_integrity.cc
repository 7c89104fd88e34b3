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

// "306 entries, 0 violations, 0 unexpected; 306 that PCR 10 vouches for".
std::string ListText(const v1::ImaListState& list, const Style& style) {
  if (!list.problem().empty() && list.entries() == 0) {
    return style.Warning(Printable(list.problem_reason())) + ": " + Printable(list.problem());
  }
  std::string text = std::to_string(list.entries()) + " entries, " +
                     std::to_string(list.violations()) + " violations, " +
                     std::to_string(list.unexpected()) + " unexpected; " +
                     std::to_string(list.confirmed()) + " that PCR 10 vouches for";
  if (list.problem().empty()) return text;
  return text + "; " + style.Warning(Printable(list.problem_reason())) + ": " +
         Printable(list.problem());
}

std::string PolicyFile(const v1::ImaPolicyFile& file) {
  if (file.installed_sha256().empty() && file.active_sha256().empty()) return "none installed";
  if (file.installed_sha256() == file.active_sha256()) {
    return "sha256:" + Printable(file.active_sha256()) + ", loaded";
  }
  const auto digest = [](const std::string& sha256) {
    return sha256.empty() ? std::string("none") : "sha256:" + Printable(sha256);
  };
  return "loaded " + digest(file.active_sha256()) + "; for the next boot " +
         digest(file.installed_sha256());
}

}  // namespace

std::string RenderIntegrityUpdate(const v1::IntegrityUpdate& update, const Style& style) {
  std::string text;
  for (const v1::Event& event : update.events()) text += RenderEvent(event, style);
  return text + ListText(update.list(), style) + "\n";
}

std::string RenderIntegrityState(const v1::IntegrityState& state, const Style& style) {
  const v1::ImaState& ima = state.ima();
  Rows rows;
  if (ima.present()) {
    rows = {{"IMA list", std::to_string(ima.entries()) + " entries, " +
                             std::to_string(ima.violations()) + " violations"},
            {"  followed", ListText(state.list(), style)},
            {"  memory", "at least " + std::to_string(state.list().bytes() / 1024) + " KiB"},
            {"  template", Printable(ima.template_name()) + ", " + Printable(ima.hash())},
            {"  boot policies", Join(ima.boot_policies())},
            {"  custom policy", PolicyWord(ima.custom_policy())},
            {"  policy file", PolicyFile(state.policy_file())},
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
