#include "modules/docker/engine_flags.h"

#include "modules/docker/daemon_key.h"
#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kConfigFile = "config-file";
constexpr std::string_view kDefaultConfigFile = "/etc/docker/daemon.json";

class Reading {
 public:
  Reading(const std::vector<std::string>& arguments, const EngineVersion& version, EngineFlags& out)
      : arguments_(arguments), version_(version), out_(out) {}

  void Read() {
    bool only_arguments = false;  // after "--"
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_++];
      if (only_arguments || argument.size() < 2 || argument.front() != '-') {
        Tell(argument, "ENGINE_ARGUMENT", "dockerd takes no arguments but flags");
      } else if (argument == "--") {
        only_arguments = true;
      } else if (argument[1] == '-') {
        Long(std::string_view(argument).substr(2));
      } else {
        Letters(std::string_view(argument).substr(1));
      }
    }
  }

 private:
  void Tell(std::string_view where, std::string_view reason, std::string text) {
    out_.problems.push_back({Quoted(where), std::string(reason), std::move(text)});
  }

  void Long(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const DaemonKey* flag = FindFlag(name, version_);
    if (flag == nullptr) {
      Tell("--" + std::string(name), "ENGINE_FLAG_UNKNOWN",
           "dockerd " + ToText(version_) + " does not know this flag");
    } else if (equals != std::string_view::npos) {
      Set(*flag, text.substr(equals + 1));
    } else if (flag->type == KeyType::kFlag) {
      Set(*flag, "true");
    } else {
      TakeNext(*flag);
    }
  }

  // "-DH value", "-Hvalue", "-H=value"
  void Letters(std::string_view text) {
    while (!text.empty()) {
      const DaemonKey* flag = FindLetter(text.front(), version_);
      if (flag == nullptr) {
        return Tell("-" + std::string(1, text.front()), "ENGINE_FLAG_UNKNOWN",
                    "dockerd " + ToText(version_) + " does not know this flag");
      }
      text.remove_prefix(1);
      if (text.starts_with('=')) return Set(*flag, text.substr(1));
      if (flag->type == KeyType::kFlag) {
        Set(*flag, "true");
      } else {
        return text.empty() ? TakeNext(*flag) : Set(*flag, text);
      }
    }
  }

  void TakeNext(const DaemonKey& flag) {
    if (next_ == arguments_.size()) {
      return Tell("--" + std::string(flag.flag), "ENGINE_FLAG_WITHOUT_VALUE",
                  "dockerd wants a value for this flag");
    }
    Set(flag, arguments_[next_++]);
  }

  void Set(const DaemonKey& flag, std::string_view value) {
    std::vector<std::string>& values = out_.values[std::string(flag.flag)];
    const bool several = flag.type == KeyType::kTexts || flag.type == KeyType::kObjects ||
                         flag.type == KeyType::kMap;
    if (!several) values.clear();  // the last one counts
    values.emplace_back(value);
  }

  const std::vector<std::string>& arguments_;
  const EngineVersion& version_;
  EngineFlags& out_;
  std::size_t next_ = 0;
};

}  // namespace

std::string EngineFlags::config_file() const {
  const auto given = values.find(kConfigFile);
  return given == values.end() ? std::string(kDefaultConfigFile) : given->second.back();
}

EngineFlags ParseEngineFlags(const std::vector<std::string>& arguments,
                             const EngineVersion& version) {
  EngineFlags flags;
  Reading(arguments, version, flags).Read();
  return flags;
}

}  // namespace seaworthy::docker
