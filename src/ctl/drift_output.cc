#include "ctl/drift_output.h"

namespace seaworthy::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string TextOf(const integrity::FileAttributes& attributes, const char* name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : found->second;
}

}  // namespace

std::string Dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json ToJson(const integrity::FileDrift& drift) {
  Json changes = Json::array();
  for (const auto& [name, before, after] : drift.changes) {
    changes.push_back({{"name", name}, {"before", before}, {"after", after}});
  }
  Json json = {{"path", drift.path},
               {"drift", integrity::ToString(drift.kind)},
               {"attributes", drift.attributes},
               {"changes", std::move(changes)},
               {"explanation", drift.explanation}};
  if (!drift.why.ok())
    json["error"] = {{"reason", Reason(drift.why)}, {"message", Message(drift.why)}};
  return json;
}

std::string RenderDrift(const integrity::FileDrift& drift, const Style& style) {
  const std::string word(integrity::ToString(drift.kind));
  std::string text = (drift.explanation.empty() ? style.Bad(word) : style.Warning(word)) + "  " +
                     Printable(drift.path);
  const std::string package = TextOf(drift.attributes, "package");
  const std::string kind = TextOf(drift.attributes, "kind");
  if (!kind.empty()) {
    text += "  (" + Printable(kind) + (package.empty() ? "" : " of " + Printable(package)) + ")";
  }
  text += "\n";
  const auto or_none = [](const std::string& value) {
    return value.empty() ? "none" : Printable(value);
  };
  for (const auto& [name, before, after] : drift.changes) {
    text += "  " + Printable(name) + ": " + or_none(before) + " -> " + or_none(after) + "\n";
  }
  if (!drift.why.ok()) {
    text += "  " + Printable(Message(drift.why)) + " [" + Reason(drift.why) + "]\n";
  }
  if (!drift.explanation.empty()) {
    text += "  explained, by dpkg's word, by the " + Printable(drift.explanation) + "\n";
  }
  return text;
}

}  // namespace seaworthy::ctl
