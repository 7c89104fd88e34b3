#include "ctl/cli.h"

#include <algorithm>

#include "ctl/command.h"
#include "ctl/json.h"

namespace seaworthy::ctl {
namespace {

constexpr double kMaxTimeoutSeconds = 24 * 3600;

void AddConnection(CLI::App& app, Connection& connection) {
  CLI::Option* socket = app.add_option("--socket", connection.socket,
                                       "Ask over this Unix socket (default: the admin socket, or "
                                       "the read socket for those who may not open it)");
  socket->type_name("PATH")->envname("SEAWORTHY_SOCKET")->group("Connection");
  CLI::Option* address =
      app.add_option("--address", connection.address, "Ask a remote node over mutual TLS");
  address->type_name("HOST:PORT")->group("Connection");
  const std::tuple<const char*, std::string&, const char*> files[] = {
      {"--ca", connection.ca_file, "CA certificates for the node's certificate, PEM"},
      {"--cert", connection.certificate_file, "Our certificate chain, PEM"},
      {"--key", connection.key_file, "Our private key, PEM"},
  };
  for (const auto& [name, target, description] : files) {
    CLI::Option* file = app.add_option(name, target, description);
    file->type_name("FILE")->group("Connection")->needs(address);
    address->needs(file);
  }
  app.add_option("--server-name", connection.server_name,
                 "Name in the node's certificate, when it is not the host in --address")
      ->type_name("NAME")
      ->group("Connection")
      ->needs(address);
  app.add_option(
         "--timeout", connection.timeout_seconds,
         "Longest wait for an answer (default 30, 120 where a key is made or a volume asked for)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, kMaxTimeoutSeconds))
      ->group("Connection");
}

// Global options may also stand after the command.
void LetGlobalsFollow(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    command->fallthrough();
    LetGlobalsFollow(*command);
  }
}

void Tell(const Outcome& outcome, bool json, Terminal& terminal) {
  if (outcome.status.ok()) return;
  if (json) {
    terminal.err << ErrorJson(outcome) << "\n";
    return;
  }
  terminal.err << "seaworthyctl: " << Printable(Message(outcome.status));
  // A machine's names help a person only where the daemon has more to say about the call.
  if (outcome.exit == ExitCode::kFailed || outcome.exit == ExitCode::kNo) {
    terminal.err << " [" << Printable(Reason(outcome.status)) << "]";
  }
  if (!outcome.request_id.empty()) {
    terminal.err << "\n  request " << Printable(outcome.request_id);
  }
  terminal.err << "\n";
}

// The innermost command that was named, for pointing at its help.
const CLI::App& Named(const CLI::App& app) {
  const std::vector<CLI::App*> named = app.get_subcommands();
  return named.empty() ? app : Named(*named.front());
}

std::string CommandPath(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return CommandPath(*app.get_parent()) + " " + app.get_name();
}

// Whether JSON was asked for, also where the rest could not be parsed.
bool WantsJson(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--output=json") return true;
    if (arguments[i] == "--output" && i + 1 < arguments.size()) return arguments[i + 1] == "json";
  }
  return false;
}

int TellUsage(const CLI::App& app, const CLI::ParseError& error, bool json, Terminal& terminal) {
  // Help and version come as errors with code 0.
  if (error.get_exit_code() == 0) return app.exit(error, terminal.out, terminal.err);
  const std::vector<std::string> extra = Named(app).remaining();
  // CLI11 misses the command before it sees that a word is none.
  const bool unknown_command = error.get_name() == "RequiredError" && !extra.empty();
  const Outcome outcome =
      Usage(unknown_command ? "unknown command: " + extra.front() : std::string(error.what()));
  Tell(outcome, json, terminal);
  if (!json) {
    terminal.err << "See: " << CommandPath(Named(app)) << " --help\n";
  }
  return static_cast<int>(outcome.exit);
}

}  // namespace

std::unique_ptr<CLI::App> MakeCommandLine(CommandLine& line) {
  auto app = std::make_unique<CLI::App>(
      "seaworthyctl: asks seaworthyd, which keeps this node fit to carry containers",
      "seaworthyctl");
  app->require_subcommand(1);
  app->set_version_flag("--version", "seaworthyctl " SEAWORTHY_VERSION);
  app->add_option("--output", line.output, "Form of the answer: for a person or a script")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  AddConnection(*app, line.connection);
  AddNodeCommands(*app, line);
  AddKeyCommands(*app, line);
  AddAttestationCommands(*app, line);
  AddEnrolCommands(*app, line);
  AddVerifyCommands(*app, line);
  AddPolicyCommands(*app, line);
  AddIntegrityCommands(*app, line);
  AddVolumeCommands(*app, line);
  AddDockerCommands(*app, line);
  AddCompletionCommand(*app, line);
  LetGlobalsFollow(*app);
  app->footer(
      "Exit codes: 0 done, or the answer is yes; 1 the answer is no; 2 wrong usage;\n"
      "3 the daemon cannot be reached; 4 the daemon refused or failed.\n"
      "More about a command: seaworthyctl COMMAND --help");
  return app;
}

int Run(std::vector<std::string> arguments, Terminal& terminal) {
  CommandLine line;
  const auto app = MakeCommandLine(line);
  const bool wants_json = WantsJson(arguments);
  // CLI11 takes them from the back.
  std::reverse(arguments.begin(), arguments.end());
  try {
    app->parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return TellUsage(*app, error, wants_json, terminal);
  }
  const bool json = line.output == "json";
  Session session(std::move(line.connection), json ? Format::kJson : Format::kText, terminal);
  Outcome outcome = line.command(session);
  terminal.out.flush();
  if (outcome.status.ok() && !terminal.out) {
    outcome = Usage("cannot write to standard output");
  }
  Tell(outcome, json, terminal);
  return static_cast<int>(outcome.exit);
}

}  // namespace seaworthy::ctl
