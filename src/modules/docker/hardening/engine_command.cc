#include "modules/docker/hardening/engine_command.h"

#include <algorithm>
#include <optional>

#include "modules/docker/daemon_key.h"
#include "seaworthy/bytes.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kDropIn = "50-seaworthy.conf";
constexpr std::size_t kMaxDropIns = 1000;
constexpr std::size_t kMaxDropIn = std::size_t{1} << 20;
// systemd reads no longer lines (LONG_LINE_MAX).
constexpr std::size_t kMaxLine = std::size_t{1} << 20;

// A flag with what it takes; `flag` is null for what is none.
struct Use {
  const DaemonKey* flag = nullptr;
  std::vector<std::string> words;
};

class Uses {
 public:
  Uses(const std::vector<std::string>& arguments, const EngineVersion& version)
      : arguments_(arguments), version_(version) {
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_++];
      if (argument == "--" || argument.size() < 2 || argument.front() != '-') {
        all_.push_back({nullptr, {argument}});
        // Behind "--" nothing is a flag.
        if (argument == "--") {
          while (next_ < arguments_.size()) all_.push_back({nullptr, {arguments_[next_++]}});
        }
      } else if (argument[1] == '-') {
        Long(argument);
      } else {
        Letters(argument);
      }
    }
  }
  const std::vector<Use>& all() const { return all_; }

 private:
  void Long(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    const std::string_view name = std::string_view(argument).substr(2, equals - 2);
    Use use{FindFlag(name, version_), {argument}};
    if (equals == std::string::npos) TakeNext(use);
    all_.push_back(std::move(use));
  }

  // Each letter of "-DH value" for itself.
  void Letters(const std::string& argument) {
    std::string_view text = std::string_view(argument).substr(1);
    while (!text.empty()) {
      Use use{FindLetter(text.front(), version_), {"-" + std::string(1, text.front())}};
      text.remove_prefix(1);
      const bool alone = use.flag != nullptr && use.flag->type == KeyType::kFlag;
      if (!text.empty() && (!alone || text.front() == '=')) {
        use.words.front() += text;
        text = {};
      } else if (!alone) {
        TakeNext(use);
      }
      all_.push_back(std::move(use));
    }
  }

  void TakeNext(Use& use) {
    const bool takes = use.flag != nullptr && use.flag->type != KeyType::kFlag;
    if (takes && next_ < arguments_.size()) use.words.push_back(arguments_[next_++]);
  }

  const std::vector<std::string>& arguments_;
  const EngineVersion& version_;
  std::vector<Use> all_;
  std::size_t next_ = 0;
};

bool IsPlain(std::string_view text, std::string_view more) {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

// Bytes of other alphabets, too, are said by their numbers, which systemd takes in any locale.
std::string QuotedForUnit(const std::string& argument) {
  if (IsPlain(argument, "-_=/.,:@+")) return argument;
  std::string quoted = "\"";
  for (const char c : argument) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '%' || c == '$') {
      quoted += std::string(2, c);
    } else if (c == '\\' || c == '"') {
      quoted += std::string("\\") + c;
    } else if (byte < ' ' || byte >= 0x7f) {
      quoted += "\\x" + Hex({&byte, 1});
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

bool SaysExecStart(std::string_view text) {
  for (std::string_view line : Split(text, '\n')) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.starts_with("ExecStart") && line.find('=') != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> WithoutFlags(const std::vector<std::string>& arguments,
                                      const EngineVersion& version,
                                      const std::set<std::string, std::less<>>& flags) {
  std::vector<std::string> kept;
  const Uses uses(arguments, version);
  for (const Use& use : uses.all()) {
    if (use.flag != nullptr && flags.contains(use.flag->flag)) continue;
    kept.insert(kept.end(), use.words.begin(), use.words.end());
  }
  return kept;
}

Result<std::string> MakeDropIn(const std::string& executable,
                               const std::vector<std::string>& arguments) {
  // Prefixes and quotes mean something in a program's name, and none has such a one.
  if (!executable.starts_with('/') || !IsPlain(executable, "-_/.+")) {
    return Fail(Code::kFailedPrecondition, "ENGINE_FLAG",
                "no unit can say what the engine is run by: " + Quoted(executable));
  }
  std::string command = "ExecStart=" + executable;
  for (const std::string& argument : arguments) command += " " + QuotedForUnit(argument);
  if (command.size() >= kMaxLine) {
    return Fail(Code::kFailedPrecondition, "ENGINE_FLAG",
                "the engine's command line is too long for a unit");
  }
  return "# By Seaworthy: without flags that daemon.json has taken over.\n[Service]\nExecStart=\n" +
         command + "\n";
}

std::string DropInPath(const std::string& unit) {
  return "/etc/systemd/system/" + unit + ".d/" + std::string(kDropIn);
}

Result<std::optional<std::string>> FindLaterDropIn(const os::RootFolder& root,
                                                   const std::string& unit) {
  for (const std::string folder :
       {"etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient",
        "etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system",
        "usr/lib/systemd/system", "lib/systemd/system"}) {
    for (const std::string& of : {unit, std::string("service")}) {
      ASSIGN_OR_RETURN(const std::optional<std::string> real,
                       root.Canonical(folder + "/" + of + ".d"));
      if (!real) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> names, root.List(*real, kMaxDropIns));
      for (const std::string& name : names) {
        if (!name.ends_with(".conf") || name <= kDropIn) continue;
        const std::string path = *real + "/" + name;
        ASSIGN_OR_RETURN(const std::optional<Bytes> text, root.Read(path, kMaxDropIn));
        if (text && SaysExecStart(AsText(*text))) return std::optional("/" + path);
      }
    }
  }
  return std::optional<std::string>();
}

}  // namespace seaworthy::docker
