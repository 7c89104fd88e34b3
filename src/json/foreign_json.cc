#include "seaworthy/json/foreign_json.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "seaworthy/base64.h"
#include "seaworthy/plain_text.h"

namespace seaworthy {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxQuoted = 64;
constexpr std::uint32_t kMaxPcr = 23;
constexpr std::uint32_t kMaxPartNumber = 255;

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

// Watches while it is parsed, when doubled names are still to be seen.
class Watch {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        if (depth >= kMaxDepth) return Refuse("has more than 32 levels");
        names_.emplace_back();
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        if (!names_.empty()) names_.pop_back();
        break;
      case json::parse_event_t::key: {
        const auto& name = parsed.get_ref<const std::string&>();
        if (HasNul(name)) return Refuse("has a NUL in a name");
        if (names_.empty() || !names_.back().insert(name).second) {
          return Refuse("has a name twice in one object: " + Quoted(name));
        }
        break;
      }
      case json::parse_event_t::value:
        if (parsed.is_number_float()) return Refuse("has a number that is not whole");
        if (parsed.is_string() && HasNul(parsed.get_ref<const std::string&>())) {
          return Refuse("has a NUL in a text");
        }
        break;
    }
    return true;
  }
  const std::string& refused() const { return refused_; }

 private:
  // The parser goes on and keeps nothing of what is refused.
  bool Refuse(std::string why) {
    if (refused_.empty()) refused_ = std::move(why);
    return false;
  }

  std::vector<std::set<std::string>> names_;
  std::string refused_;
};

}  // namespace

Result<json> ParseForeignJson(std::string_view text, std::size_t max, std::string_view reason) {
  if (text.size() > max) {
    return Fail(Code::kInvalidArgument, reason,
                "the JSON has more than " + std::to_string(max) + " bytes");
  }
  // Which this parser passes over, and others do not.
  if (text.starts_with("\xef\xbb\xbf")) {
    return Fail(Code::kInvalidArgument, reason, "the JSON begins with a byte order mark");
  }
  Watch watch;
  json parsed = json::parse(
      text,
      [&](int depth, json::parse_event_t event, json& value) { return watch(depth, event, value); },
      false);
  if (!watch.refused().empty()) {
    return Fail(Code::kInvalidArgument, reason, "the JSON " + watch.refused());
  }
  if (!parsed.is_object()) return Fail(Code::kInvalidArgument, reason, "it is no JSON object");
  return parsed;
}

bool ParseDecimal(std::string_view text, std::uint64_t max, std::uint64_t& out) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return false;
  if (text.size() > 1 && text.front() == '0') return false;
  out = value;
  return true;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"" + ToPlainText(text.substr(0, kMaxQuoted));
  return quoted + (text.size() > kMaxQuoted ? "...\"" : "\"");
}

void FirstError::Tell(const std::string& where, std::string_view what) {
  if (!status_.ok()) return;
  status_ = Fail(Code::kInvalidArgument, reason_,
                 ToPlainText(where.substr(0, 4 * kMaxQuoted)) + ": " + std::string(what));
}

ObjectReader::ObjectReader(const json& value, std::string where, FirstError& error)
    : object_(value), where_(std::move(where)), error_(error) {
  if (!object_.is_object()) error_.Tell(where_, "is not an object");
}

void ObjectReader::Tell(const char* name, std::string_view what) { error_.Tell(Field(name), what); }

const json* ObjectReader::Any(const char* name, Presence presence) {
  asked_.emplace(name);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(name);
  if (found != object_.end()) return &*found;
  if (presence == Presence::kRequired) Tell(name, "is missing");
  return nullptr;
}

const json* ObjectReader::Object(const char* name, Presence presence) {
  const json* value = Any(name, presence);
  if (value == nullptr || value->is_object()) return value;
  Tell(name, "is not an object");
  return nullptr;
}

bool ObjectReader::Text(const char* name, std::string& out, Presence presence) {
  const json* value = Any(name, presence);
  if (value == nullptr) return false;
  if (!value->is_string()) {
    Tell(name, "is not a text");
    return false;
  }
  out = value->get<std::string>();
  return true;
}

bool ObjectReader::Flag(const char* name, bool& out, Presence presence) {
  const json* value = Any(name, presence);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    Tell(name, "is not true or false");
    return false;
  }
  out = value->get<bool>();
  return true;
}

bool ObjectReader::Number(const char* name, std::uint64_t& out, Presence presence) {
  const json* value = Any(name, presence);
  if (value == nullptr) return false;
  // libcryptsetup's JSON keeps whole numbers as signed ones of 64 bits.
  if (!value->is_number_unsigned() ||
      value->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    Tell(name, "is not a whole number from 0 on");
    return false;
  }
  out = value->get<std::uint64_t>();
  return true;
}

bool ObjectReader::Number(const char* name, std::uint32_t& out, Presence presence) {
  std::uint64_t wide = 0;
  if (!Number(name, wide, presence)) return false;
  if (wide > std::numeric_limits<std::uint32_t>::max()) {
    Tell(name, "has more than 32 bits");
    return false;
  }
  out = static_cast<std::uint32_t>(wide);
  return true;
}

bool ObjectReader::Decimal(const char* name, std::uint64_t& out, Presence presence) {
  std::string text;
  if (!Text(name, text, presence)) return false;
  if (ParseDecimal(text, std::numeric_limits<std::uint64_t>::max(), out)) return true;
  Tell(name, "is not a whole number of 64 bits, as text");
  return false;
}

bool ObjectReader::Base64(const char* name, Bytes& out, Presence presence) {
  std::string text;
  if (!Text(name, text, presence)) return false;
  Result<Bytes> bytes = ParseBase64(text);
  if (!bytes.ok()) {
    Tell(name, "is not base64: " + Message(bytes.status()));
    return false;
  }
  out = *std::move(bytes);
  return true;
}

bool ObjectReader::Base64Url(const char* name, Bytes& out, Presence presence) {
  std::string text;
  if (!Text(name, text, presence)) return false;
  Result<Bytes> bytes = ParseBase64Url(text);
  if (!bytes.ok()) {
    Tell(name, "is not base64url: " + Message(bytes.status()));
    return false;
  }
  out = *std::move(bytes);
  return true;
}

bool ObjectReader::Hex(const char* name, Bytes& out, Presence presence) {
  std::string text;
  if (!Text(name, text, presence)) return false;
  Result<Bytes> bytes = ParseHex(text);
  if (!bytes.ok()) {
    Tell(name, Message(bytes.status()));
    return false;
  }
  out = *std::move(bytes);
  return true;
}

bool ObjectReader::Texts(const char* name, std::vector<std::string>& out, Presence presence) {
  const json* value = Any(name, presence);
  if (value == nullptr) return false;
  if (!value->is_array() || !std::ranges::all_of(*value, &json::is_string)) {
    Tell(name, "is not a list of texts");
    return false;
  }
  out = value->get<std::vector<std::string>>();
  return true;
}

bool ObjectReader::Pcrs(const char* name, std::vector<std::uint32_t>& out, Presence presence) {
  const json* value = Any(name, presence);
  if (value == nullptr) return false;
  std::set<std::uint32_t> pcrs;
  bool all = value->is_array();
  for (std::size_t i = 0; all && i < value->size(); ++i) {
    const json& pcr = (*value)[i];
    all = pcr.is_number_unsigned() && pcr.get<std::uint64_t>() <= kMaxPcr &&
          pcrs.insert(pcr.get<std::uint32_t>()).second;
  }
  if (!all) {
    Tell(name, "is not a list of PCRs, each once, from 0 to 23");
    return false;
  }
  out.assign(pcrs.begin(), pcrs.end());
  return true;
}

bool ObjectReader::Numbers(const char* name, std::vector<std::uint32_t>& out, Presence presence) {
  std::vector<std::string> texts;
  if (!Texts(name, texts, presence)) return false;
  std::set<std::uint32_t> numbers;
  for (const std::string& text : texts) {
    std::uint64_t number = 0;
    if (!ParseDecimal(text, kMaxPartNumber, number) ||
        !numbers.insert(static_cast<std::uint32_t>(number)).second) {
      Tell(name, "has " + Quoted(text) + ", which is no number of a part, or is there twice");
      return false;
    }
  }
  out.assign(numbers.begin(), numbers.end());
  return true;
}

json ObjectReader::Rest() const {
  json rest = json::object();
  if (!object_.is_object()) return rest;
  for (const auto& [name, value] : object_.items()) {
    if (!asked_.contains(name)) rest[name] = value;
  }
  return rest;
}

}  // namespace seaworthy
