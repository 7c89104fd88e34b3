// status, health, events.
#include "ctl/command.h"
#include "ctl/render.h"
#include "seaworthy/v1/node.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

struct NoOptions {};

struct EventsOptions {
  bool recent = false;
  std::uint64_t count = 0;
};

Outcome RunStatus(Session& session, const NoOptions&) {
  v1::GetStatusResponse status;
  Outcome outcome =
      session.client().Call(&v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), status);
  if (outcome.ok()) session.Answer(status, RenderStatus(status, session.style()));
  return outcome;
}

Outcome RunHealth(Session& session, const NoOptions&) {
  v1::GetStatusResponse status;
  Outcome outcome =
      session.client().Call(&v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), status);
  if (!outcome.ok()) return outcome;
  session.Answer(status, RenderHealth(status, session.style()));
  if (!IsHealthy(status)) outcome.exit = ExitCode::kNo;
  return outcome;
}

Outcome RunEvents(Session& session, const EventsOptions& options) {
  v1::WatchEventsRequest request;
  request.set_include_recent(options.recent);
  std::uint64_t seen = 0;
  return session.client().Watch(
      &v1::NodeService::Stub::WatchEvents, request, [&](const v1::Event& event) {
        return session.AnswerPart(event, RenderEvent(event, session.style())) &&
               ++seen != options.count;
      });
}

}  // namespace

void AddNodeCommands(CLI::App& app, CommandLine& line) {
  AddCommand(app, line, "status", "What the TPM is and how each module of the daemon is",
             "  seaworthyctl status\n  seaworthyctl status --output json",
             std::make_shared<NoOptions>(), RunStatus);
  AddCommand(app, line, "health",
             "Whether the TPM is there and every module is healthy: exit code 0 or 1",
             "  seaworthyctl health && echo fit", std::make_shared<NoOptions>(), RunHealth);
  auto events = std::make_shared<EventsOptions>();
  CLI::App* command =
      AddCommand(app, line, "events", "Follows what happens on the node, until interrupted",
                 "  seaworthyctl events --recent\n  seaworthyctl events --output json | jq .type",
                 events, RunEvents);
  command->add_flag("--recent", events->recent, "Begin with the events still in memory");
  command->add_option("--count", events->count, "Stop after so many events")->type_name("N");
}

}  // namespace seaworthy::ctl
