// The command line as CLI11 parses it: global options and the command to run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "ctl/client.h"
#include "ctl/outcome.h"
#include "ctl/session.h"

namespace seaworthy::ctl {

struct CommandLine {
  Connection connection;
  std::string output = "text";
  std::function<Outcome(Session&)> command;  // set by the command that was named
};

// The whole command line; what is parsed goes into `line`, which must outlive the App.
std::unique_ptr<CLI::App> MakeCommandLine(CommandLine& line);

// One for each group of commands.
void AddNodeCommands(CLI::App& app, CommandLine& line);
void AddKeyCommands(CLI::App& app, CommandLine& line);
void AddKeyUseCommands(CLI::App& key, CommandLine& line);
void AddAttestationCommands(CLI::App& app, CommandLine& line);
void AddEnrolCommands(CLI::App& app, CommandLine& line);
void AddVerifyCommands(CLI::App& app, CommandLine& line);
void AddPolicyCommands(CLI::App& app, CommandLine& line);
void AddIntegrityCommands(CLI::App& app, CommandLine& line);
void AddBaselineCommands(CLI::App& integrity, CommandLine& line);
void AddImaPolicyCommands(CLI::App& integrity, CommandLine& line);
void AddAppraisalCommands(CLI::App& integrity, CommandLine& line);
void AddVolumeCommands(CLI::App& app, CommandLine& line);
void AddVolumeWayCommands(CLI::App& volumes, CommandLine& line);
void AddVolumeHeaderCommands(CLI::App& volumes, CommandLine& line);
void AddDockerCommands(CLI::App& app, CommandLine& line);
void AddHardeningCommands(CLI::App& docker, CommandLine& line);
void AddDockerWatchCommand(CLI::App& docker, CommandLine& line);
void AddDockerSelinuxCommand(CLI::App& docker, CommandLine& line);
void AddCompletionCommand(CLI::App& app, CommandLine& line);

// Adds "name" to `parent`. `run` gets the options its add_option calls have filled.
template <class Options>
CLI::App* AddCommand(CLI::App& parent, CommandLine& line, const std::string& name,
                     const std::string& description, const std::string& examples,
                     const std::shared_ptr<Options>& options,
                     Outcome (*run)(Session&, const Options&)) {
  CLI::App* command = parent.add_subcommand(name, description);
  if (!examples.empty()) command->footer("Examples:\n" + examples);
  command->callback([&line, options, run] {
    line.command = [options, run](Session& session) { return run(session, *options); };
  });
  return command;
}

}  // namespace seaworthy::ctl
