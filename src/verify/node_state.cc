#include <nlohmann/json.hpp>

#include "seaworthy/status_macros.h"
#include "seaworthy/verifier.h"
#include "verify/digest.h"

namespace seaworthy::verify {
namespace {

using nlohmann::json;

constexpr char kVersion[] = "seaworthy_node_state";

Status Malformed(const std::string& field) {
  return Fail(Code::kInvalidArgument, "STATE_MALFORMED", field + " is not what a state has there");
}

template <class T>
Status ReadNumber(const json& root, const char* name, T& out) {
  const auto found = root.find(name);
  if (found == root.end() || !found->is_number_unsigned() ||
      found->get<std::uint64_t>() > std::numeric_limits<T>::max()) {
    return Malformed(name);
  }
  out = found->get<T>();
  return {};
}

Status ReadHex(const json& root, const char* name, Bytes& out) {
  const auto found = root.find(name);
  if (found == root.end() || !found->is_string()) return Malformed(name);
  Result<Bytes> bytes = ParseHex(found->get_ref<const std::string&>());
  if (!bytes.ok()) return Malformed(name);
  out = *std::move(bytes);
  return {};
}

}  // namespace

Result<NodeState> ParseNodeState(std::string_view text) {
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) return Malformed("the state");
  const auto version = root.find(kVersion);
  if (version == root.end() || *version != 1) return Malformed(kVersion);
  NodeState state;
  RETURN_IF_ERROR(ReadHex(root, "ak_name", state.ak_name));
  RETURN_IF_ERROR(ReadNumber(root, "clock_ms", state.clock_ms));
  RETURN_IF_ERROR(ReadNumber(root, "reset_count", state.reset_count));
  RETURN_IF_ERROR(ReadNumber(root, "restart_count", state.restart_count));
  RETURN_IF_ERROR(ReadNumber(root, "ima_entries", state.ima_entries));
  const auto pcrs = root.find("ima_pcrs");
  if (pcrs == root.end() || !pcrs->is_array()) return Malformed("ima_pcrs");
  for (const json& item : *pcrs) {
    NodeState::Pcr& pcr = state.ima_pcrs.emplace_back();
    if (!item.is_object()) return Malformed("ima_pcrs");
    RETURN_IF_ERROR(ReadNumber(item, "bank", pcr.bank));
    RETURN_IF_ERROR(ReadHex(item, "value", pcr.value));
    const auto padded = item.find("padded_sha1");
    if (padded == item.end() || !padded->is_boolean()) return Malformed("padded_sha1");
    if (DigestSize(pcr.bank) == 0 || pcr.value.size() != DigestSize(pcr.bank)) {
      return Malformed("ima_pcrs");
    }
    pcr.form = padded->get<bool>() ? ImaReplay::Form::kPaddedSha1 : ImaReplay::Form::kNative;
  }
  return state;
}

std::string ToJson(const NodeState& state) {
  json root = {{kVersion, 1},
               {"ak_name", Hex(state.ak_name)},
               {"clock_ms", state.clock_ms},
               {"reset_count", state.reset_count},
               {"restart_count", state.restart_count},
               {"ima_entries", state.ima_entries},
               {"ima_pcrs", json::array()}};
  for (const NodeState::Pcr& pcr : state.ima_pcrs) {
    root["ima_pcrs"].push_back({{"bank", pcr.bank},
                                {"padded_sha1", pcr.form == ImaReplay::Form::kPaddedSha1},
                                {"value", Hex(pcr.value)}});
  }
  return root.dump(2) + "\n";
}

}  // namespace seaworthy::verify
