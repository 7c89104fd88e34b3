#include "ctl/json.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "ctl/judgement.h"

namespace seaworthy::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kIndent = 1;

// Foreign text may not be UTF-8, which JSON has to be: such bytes become U+FFFD.
std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string_view SeverityName(verify::Severity severity) {
  switch (severity) {
    case verify::Severity::kFailure:
      return "FAILURE";
    case verify::Severity::kWarning:
      return "WARNING";
    default:
      return "INFO";
  }
}

Json ToArray(const std::vector<verify::Finding>& list) {
  Json findings = Json::array();
  for (const verify::Finding& finding : list) {
    Json& item = findings.emplace_back(Json{
        {"code", finding.code},
        {"severity", SeverityName(finding.severity)},
        {"expected", finding.expected},
        {"found", finding.found},
        {"sentence", finding.sentence},
    });
    if (finding.pcr) item["pcr"] = *finding.pcr;
    if (finding.entry) item["entry"] = std::to_string(*finding.entry);
    if (!finding.file.empty()) item["file"] = finding.file;
    if (!finding.key.empty()) item["key"] = finding.key;
  }
  return findings;
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message, bool indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = indented;
  std::string json;
  // Fails only for Any and for timestamps out of range; then the script gets an empty object.
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "{}";
  while (!json.empty() && json.back() == '\n') json.pop_back();
  return json;
}

// 64-bit numbers as strings, as protobuf has them: many readers of JSON keep 53 bits.
std::string ToJson(const verify::Verdict& verdict) {
  const verify::ClockInfo& clock = verdict.clock;
  Json keys = Json::array();
  for (const verify::ProvenKey& key : verdict.keys) {
    keys.push_back(
        {{"name", Hex(key.name)}, {"public_key_pem", ToPem(key.subject_public_key_info)}});
  }
  return Dump({{"trusted", verdict.trusted},
               {"findings", ToArray(verdict.findings)},
               {"clock",
                {{"clock_ms", std::to_string(clock.clock_ms)},
                 {"reset_count", clock.reset_count},
                 {"restart_count", clock.restart_count},
                 {"safe", clock.safe},
                 {"firmware_version", std::to_string(clock.firmware_version)}}},
               {"keys", std::move(keys)}},
              kIndent);
}

std::string PolicyJson(const std::string& path, const verify::Policy& policy) {
  return Dump({{"policy", path},
               {"pcrs", policy.pcrs.size()},
               {"files", policy.ima.files.size()},
               {"keys", policy.ima.keys.size()}},
              kIndent);
}

std::string ToJson(const verify::EndorsementVerdict& verdict) {
  const Result<Bytes> ek_name = verify::NameOf(verdict.ek_public);
  return Dump({{"trusted", verdict.trusted},
               {"findings", ToArray(verdict.findings)},
               {"tpm",
                {{"manufacturer", verdict.tpm.manufacturer},
                 {"model", verdict.tpm.model},
                 {"firmware", verdict.tpm.firmware}}},
               {"ek_name", ek_name.ok() ? Hex(*ek_name) : ""},
               {"ak_name", Hex(verdict.ak.name)}},
              kIndent);
}

std::string UnitsJson(const std::vector<UnitFile>& units) {
  Json list = Json::array();
  for (const UnitFile& unit : units) {
    list.push_back({{"path", unit.path}, {"content", unit.content}});
  }
  return Dump({{"units", std::move(list)}}, kIndent);
}

std::string ErrorJson(const Outcome& outcome) {
  return Dump({{"error",
                {{"code", CodeName(outcome.status.code())},
                 {"reason", Reason(outcome.status)},
                 {"message", Message(outcome.status)},
                 {"request_id", outcome.request_id}}}},
              -1);
}

std::string CodeName(Code code) {
  // A status without a reason of its own answers with its code's name.
  return Reason(Status(code, ""));
}

}  // namespace seaworthy::ctl
