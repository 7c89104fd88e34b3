// integrity state.
#include "ctl/command.h"
#include "ctl/render.h"
#include "seaworthy/v1/integrity.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

struct NoOptions {};

Outcome RunState(Session& session, const NoOptions&) {
  v1::IntegrityState state;
  Outcome outcome = session.client().Call(&v1::IntegrityService::Stub::GetIntegrityState,
                                          v1::GetIntegrityStateRequest(), state);
  if (outcome.ok()) session.Answer(state, RenderIntegrityState(state, session.style()));
  return outcome;
}

}  // namespace

void AddIntegrityCommands(CLI::App& app, CommandLine& line) {
  CLI::App& integrity =
      *app.add_subcommand("integrity", "What the kernel's IMA and EVM do on the node");
  integrity.require_subcommand(1);
  AddCommand(integrity, line, "state",
             "What this kernel's IMA and EVM can and do, and what is missing for what",
             "  seaworthyctl integrity state", std::make_shared<NoOptions>(), RunState);
}

}  // namespace seaworthy::ctl
