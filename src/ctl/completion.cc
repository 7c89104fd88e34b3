#include "ctl/completion.h"

#include <vector>

#include "ctl/command.h"

namespace seaworthy::ctl {
namespace {

constexpr char kScript[] =
    R"bash(# bash completion for seaworthyctl; made by: seaworthyctl completion bash
_seaworthyctl_bash() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  local path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${COMP_WORDS[i]}" in
    @COMMANDS@) path="$path ${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path $previous" in
@VALUES@  esac
  case "$path" in
@WORDS@  esac
  if [[ "$current" != -* ]]; then
    case "$path" in
    @WITH_KEY@) words="$words $(seaworthyctl --timeout 2 key list --names 2>/dev/null)" ;;
    @WITH_VOLUME@) words="$words $(seaworthyctl --timeout 2 volumes list --names 2>/dev/null)" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _seaworthyctl_bash seaworthyctl
)bash";

// The words of `app` are looked up by its path, " key create" for `seaworthyctl key create`.
struct Entry {
  std::string path;
  const CLI::App* app = nullptr;
};

void Collect(const CLI::App& app, const std::string& path, std::vector<Entry>& entries) {
  entries.push_back({path, &app});
  // Unnamed ones are option groups.
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty()) Collect(*command, path + " " + command->get_name(), entries);
  }
}

std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  for (const CLI::App* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!group->get_name().empty()) continue;
    for (const CLI::Option* option : group->get_options()) options.push_back(option);
  }
  return options;
}

std::string LongName(const CLI::Option& option) {
  return option.get_lnames().empty() ? "" : "--" + option.get_lnames().front();
}

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() > 0; }

// Of a key or a volume, as its group says.
bool TakesName(const Entry& entry, std::string_view group) {
  return entry.path.starts_with(group) && entry.app->get_option_no_throw("NAME") != nullptr;
}

// "a b c" out of the "...{a,b,c}" with which CLI11 describes an option of fixed values.
std::string Values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return "";
  std::string values = type.substr(begin + 1, end - begin - 1);
  for (char& c : values) {
    if (c == ',') c = ' ';
  }
  return values;
}

// What may come next after the command `app`.
std::string Words(const CLI::App& app, const CLI::App& root) {
  std::string words;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty()) words += command->get_name() + " ";
  }
  for (const CLI::Option* option : OptionsOf(app)) {
    const std::string name = LongName(*option);
    // An argument without a name is completed to what it may be.
    words += (name.empty() ? Values(*option) : name) + " ";
  }
  if (&app == &root) return words;
  // Global options may stand after the command as well.
  for (const CLI::Option* option : root.get_options()) {
    const std::string name = LongName(*option);
    if (!name.empty() && name != "--help" && name != "--version") words += name + " ";
  }
  return words;
}

// Lines of a `case` on "path option" for options whose values can be said.
std::string ValueCases(const std::vector<Entry>& entries) {
  std::string cases;
  for (const Entry& entry : entries) {
    for (const CLI::Option* option : OptionsOf(*entry.app)) {
      const std::string name = LongName(*option);
      if (name.empty() || !TakesValue(*option)) continue;
      // Those of the root hold everywhere.
      const std::string start =
          entry.path.empty() ? "    *\" " + name + "\"" : "    \"" + entry.path + " " + name + "\"";
      const std::string type = option->get_type_name();
      if (const std::string values = Values(*option); !values.empty()) {
        cases +=
            start + ") COMPREPLY=($(compgen -W \"" + values + "\" -- \"$current\")); return ;;\n";
      } else if (type == "FILE" || type == "PATH" || type == "DIR") {
        const std::string kind = type == "DIR" ? "-d" : "-f";
        cases += start + ") COMPREPLY=($(compgen " + kind + " -- \"$current\")); return ;;\n";
      } else {
        cases += start + ") return ;;\n";
      }
    }
  }
  return cases;
}

std::string WordCases(const std::vector<Entry>& entries) {
  std::string cases;
  for (const Entry& entry : entries) {
    cases += "    \"" + entry.path + "\") words=\"" + Words(*entry.app, *entries.front().app) +
             "\" ;;\n";
  }
  return cases;
}

// "a" | "b" | "c" for a `case`: of those entries that `wanted` takes.
template <class Wanted>
std::string Patterns(const std::vector<Entry>& entries, Wanted wanted) {
  std::string patterns;
  for (const Entry& entry : entries) {
    if (!wanted(entry)) continue;
    patterns += (patterns.empty() ? "\"" : " | \"") + entry.path + "\"";
  }
  return patterns;
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  std::vector<Entry> entries;
  Collect(app, "", entries);
  const std::pair<std::string_view, std::string> parts[] = {
      {"@COMMANDS@", Patterns(entries, [](const Entry& entry) { return !entry.path.empty(); })},
      {"@VALUES@", ValueCases(entries)},
      {"@WORDS@", WordCases(entries)},
      {"@WITH_KEY@",
       Patterns(entries, [](const Entry& entry) { return TakesName(entry, " key "); })},
      {"@WITH_VOLUME@",
       Patterns(entries, [](const Entry& entry) { return TakesName(entry, " volumes "); })},
  };
  std::string script = kScript;
  for (const auto& [mark, part] : parts) script.replace(script.find(mark), mark.size(), part);
  return script;
}

std::string ZshCompletion(const CLI::App& app) {
  // As a file in fpath it is run at the first completion, which it then has to answer as well.
  return "#compdef seaworthyctl\nautoload -U +X bashcompinit && bashcompinit\n" +
         BashCompletion(app) +
         "[[ ${funcstack[1]} == _seaworthyctl ]] && _bash_complete -F _seaworthyctl_bash\n";
}

namespace {

struct CompletionOptions {
  std::string shell;
};

Outcome RunCompletion(Session& session, const CompletionOptions& options) {
  CommandLine line;
  const auto app = MakeCommandLine(line);
  session.terminal().out << (options.shell == "zsh" ? ZshCompletion(*app) : BashCompletion(*app));
  return {};
}

}  // namespace

void AddCompletionCommand(CLI::App& app, CommandLine& line) {
  auto options = std::make_shared<CompletionOptions>();
  AddCommand(app, line, "completion", "Prints a completion script for a shell",
             "  source <(seaworthyctl completion bash)", options, RunCompletion)
      ->add_option("SHELL", options->shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
}

}  // namespace seaworthy::ctl
