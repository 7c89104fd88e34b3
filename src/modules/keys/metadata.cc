#include "modules/keys/metadata.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "seaworthy/status_macros.h"

namespace seaworthy::keys {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kFormat = 1;
constexpr std::array kFields = {"format",  "name", "created",
                                "current", "next", "certificate_chain"};

Status Invalid(const std::string& what) {
  return Fail(Code::kInvalidArgument, "INVALID_METADATA", what);
}

// RFC 3339 in UTC without fractions, "2026-01-31T23:59:59Z".
std::string FormatTime(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text = {};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

bool ParseTime(const std::string& text, std::chrono::sys_seconds& time) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return false;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  const std::chrono::year_month_day date(std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return false;
  time = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
  return true;
}

// The object, when it has exactly our fields, each once.
Result<Json> ParseObject(std::string_view text) {
  std::set<std::string> seen;
  std::string repeated;
  const auto note_keys = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::key && depth == 1) {
      const std::string& key = value.get_ref<const std::string&>();
      if (!seen.insert(key).second) repeated = key;
    }
    return true;
  };
  Json json = Json::parse(text, note_keys, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Invalid("is not JSON");
  if (!json.is_object()) return Invalid("is not a JSON object");
  if (!repeated.empty()) return Invalid("a field is there twice");
  for (const char* field : kFields) {
    if (seen.erase(field) == 0) return Invalid(std::string("the field ") + field + " is missing");
  }
  if (!seen.empty()) return Invalid("has a field that is unknown here");
  return json;
}

Result<std::uint64_t> Number(const Json& json, const char* field) {
  const Json& value = json.at(field);
  if (!value.is_number_unsigned()) return Invalid(std::string(field) + ": is not a whole number");
  return value.get<std::uint64_t>();
}

Result<std::string> Text(const Json& json, const char* field) {
  const Json& value = json.at(field);
  if (!value.is_string()) return Invalid(std::string(field) + ": is not a string");
  return value.get<std::string>();
}

}  // namespace

std::string ToJson(const Metadata& metadata) {
  Json json;
  json["format"] = kFormat;
  json["name"] = metadata.name;
  json["created"] = FormatTime(metadata.created);
  json["current"] = metadata.current;
  json["next"] = metadata.next;
  json["certificate_chain"] = metadata.certificate_chain_pem;
  // Bytes that are not UTF-8 can only be comments between the certificates.
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

Result<Metadata> ParseMetadata(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, ParseObject(text));
  ASSIGN_OR_RETURN(const std::uint64_t format, Number(json, "format"));
  if (format != kFormat) {
    return Invalid("format: is " + std::to_string(format) + ", this daemon reads " +
                   std::to_string(kFormat));
  }
  Metadata metadata;
  ASSIGN_OR_RETURN(metadata.name, Text(json, "name"));
  ASSIGN_OR_RETURN(const std::string created, Text(json, "created"));
  if (!ParseTime(created, metadata.created)) {
    return Invalid("created: is not a time like 2026-01-31T23:59:59Z");
  }
  ASSIGN_OR_RETURN(const std::uint64_t current, Number(json, "current"));
  if (current < 1 || current > kMaxGeneration) return Invalid("current: is out of range");
  metadata.current = static_cast<std::uint32_t>(current);
  ASSIGN_OR_RETURN(const std::uint64_t next, Number(json, "next"));
  if (next != 0 && next != current + 1) return Invalid("next: is neither 0 nor current + 1");
  metadata.next = static_cast<std::uint32_t>(next);
  ASSIGN_OR_RETURN(metadata.certificate_chain_pem, Text(json, "certificate_chain"));
  if (metadata.certificate_chain_pem.size() > tls::kMaxChainBytes) {
    return Invalid("certificate_chain: is larger than " + std::to_string(tls::kMaxChainBytes) +
                   " bytes");
  }
  return metadata;
}

}  // namespace seaworthy::keys
