#include "modules/docker/hardening/log_options.h"

#include <algorithm>
#include <array>

#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

struct Driver {
  std::string_view name;
  std::vector<std::string_view> options;
};

const std::vector<Driver>& Drivers() {
  static const std::vector<Driver> kDrivers = {
      {"json-file",
       {"max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"}},
      {"local", {"max-file", "max-size", "compress"}},
      {"journald", {"labels", "labels-regex", "env", "env-regex", "tag"}},
      {"syslog",
       {"env", "env-regex", "labels", "labels-regex", "syslog-address", "syslog-facility",
        "syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify", "tag",
        "syslog-format"}},
  };
  return kDrivers;
}

const Driver* FindDriver(std::string_view name) {
  const auto found = std::ranges::find(Drivers(), name, &Driver::name);
  return found == Drivers().end() ? nullptr : &*found;
}

// The engine takes them before the driver is asked.
constexpr std::array<std::string_view, 6> kOfAll = {"mode",           "max-buffer-size",
                                                    "cache-disabled", "cache-max-file",
                                                    "cache-max-size", "cache-compress"};

// As go-units has it, and without what its older versions took by mistake.
bool IsSize(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::size_t kMaxDigits = 15;
  const auto take = [&](std::string_view of, std::size_t most) {
    const std::size_t size = std::min({text.find_first_not_of(of), text.size(), most});
    const std::string_view taken = text.substr(0, size);
    text.remove_prefix(size);
    return taken;
  };
  const std::string_view whole = take(kDigits, kMaxDigits);
  const bool point = !take(".", 1).empty();
  const std::string_view part = point ? take(kDigits, kMaxDigits) : "";
  const auto nothing = [](std::string_view number) {
    return number.find_first_not_of('0') == std::string_view::npos;
  };
  if (whole.empty() || (point && part.empty()) || (nothing(whole) && nothing(part))) return false;
  take(" ", 1);
  if (!take("kKmMgGtTpP", 1).empty()) take("iI", 1);
  take("bB", 1);
  return text.empty();
}

bool IsBool(std::string_view text) {
  constexpr std::array<std::string_view, 12> kWords = {"1", "t", "T", "TRUE",  "true",  "True",
                                                       "0", "f", "F", "FALSE", "false", "False"};
  return std::ranges::find(kWords, text) != kWords.end();
}

bool IsTrueWord(std::string_view text) {
  return IsBool(text) && std::string_view("1tT").find(text.front()) != std::string_view::npos;
}

Status Clash(std::string_view option, const std::string& text) {
  return Fail(Code::kFailedPrecondition, "CONFIG_CLASH",
              "no container would start: log-opts: " + Quoted(option) + " " + text);
}

std::string Option(const json& options, const char* name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->get<std::string>();
}

Status CheckMode(const json& options) {
  const std::string mode = Option(options, "mode");
  if (!mode.empty() && mode != "blocking" && mode != "non-blocking") {
    return Clash("mode", "is not blocking or non-blocking");
  }
  if (options.contains("max-buffer-size") && mode != "non-blocking") {
    return Clash("max-buffer-size", "is for the mode non-blocking alone");
  }
  return {};
}

Status CheckValues(std::string_view driver, const json& options) {
  for (const char* const name : {"max-size", "max-buffer-size", "cache-max-size"}) {
    if (options.contains(name) && !IsSize(Option(options, name))) {
      return Clash(name, "is no size as 10m: " + Quoted(Option(options, name)));
    }
  }
  std::uint64_t files = driver == "local" ? 5 : 1;  // as the drivers have it when nobody says
  constexpr std::uint64_t kMaxFiles = 1'000'000;
  if (options.contains("max-file") &&
      (!ParseDecimal(Option(options, "max-file"), kMaxFiles, files) || files == 0)) {
    return Clash("max-file", "is no number from 1 on");
  }
  for (const char* const name : {"compress", "cache-disabled"}) {
    if (options.contains(name) && !IsBool(Option(options, name))) {
      return Clash(name, "is not true or false");
    }
  }
  const bool compress =
      options.contains("compress") ? IsTrueWord(Option(options, "compress")) : driver == "local";
  const bool limited = driver == "local" || options.contains("max-size");
  const bool rotates = driver == "json-file" || driver == "local";
  if (rotates && compress && (files < 2 || !limited)) {
    return Clash("compress", "wants max-size and a max-file of 2 or more");
  }
  return CheckMode(options);
}

}  // namespace

bool KnowsLogDriver(std::string_view driver) { return FindDriver(driver) != nullptr; }

bool TakesLogOption(std::string_view driver, std::string_view option) {
  if (std::ranges::find(kOfAll, option) != kOfAll.end()) return true;
  const Driver* const known = FindDriver(driver);
  return known != nullptr && std::ranges::find(known->options, option) != known->options.end();
}

Status CheckLogOptions(std::string_view driver, const json& options) {
  if (!options.is_object()) return {};
  for (const auto& [name, value] : options.items()) {
    if (!value.is_string()) return Clash(name, "is no text");
    if (KnowsLogDriver(driver) && !TakesLogOption(driver, name)) {
      return Clash(name, "is no option of the log driver " + std::string(driver));
    }
  }
  return KnowsLogDriver(driver) ? CheckValues(driver, options) : CheckMode(options);
}

}  // namespace seaworthy::docker
