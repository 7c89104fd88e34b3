// DockerService over gRPC: messages to questions to seaworthy-hardener, and its answers to
// messages. What it says is JSON with the messages' own names.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include "modules/docker/ask_hardener.h"
#include "seaworthy/modules/docker.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/rpc/stream_deadline.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/docker.grpc.pb.h"

namespace seaworthy::docker {
namespace {

// The hardener's own time for a transaction, and some for the way.
constexpr std::chrono::seconds kTransactionTime{660};
// The hardener ends a watch after a day.
constexpr std::chrono::hours kWatchTime{25};
constexpr int kMaxWatches = 4;

// One of the few watches that there may be; none when there are as many already.
class WatchPlace {
 public:
  explicit WatchPlace(std::atomic<int>& taken) : taken_(taken), has_(++taken <= kMaxWatches) {}
  ~WatchPlace() { --taken_; }
  WatchPlace(const WatchPlace&) = delete;
  WatchPlace& operator=(const WatchPlace&) = delete;
  bool has() const { return has_; }

 private:
  std::atomic<int>& taken_;
  const bool has_;
};

// A hardener that is newer than this daemon may tell more.
Status FromJson(const std::string& json, google::protobuf::Message& message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &message, options);
  if (parsed.ok()) return {};
  return Fail(Code::kInternal, "HARDENER_ANSWER_MALFORMED",
              "the hardener's answer is no " + message.GetTypeName());
}

// What was undone is an error, for the client and in the audit trail.
Status ResultOf(const v1::HardeningTransaction& transaction) {
  if (transaction.result() == "applied" || transaction.result() == "unchanged") return {};
  const std::string reason =
      transaction.reason().empty() ? "HARDENING_UNDONE" : transaction.reason();
  return Fail(Code::kAborted, reason,
              "transaction " + transaction.id() + ", " + transaction.result() + ": " +
                  transaction.problem());
}

// What both requests for a change have.
template <class Request>
Status ReadChange(const Request& request, HardenerRequest& wanted) {
  for (const std::string& name : request.consents()) {
    ASSIGN_OR_RETURN(const Consent consent, ParseConsent(name));
    wanted.consents.insert(consent);
  }
  if (request.has_canary()) wanted.canary = request.canary().value();
  return {};
}

class Service final : public v1::DockerService::Service {
 public:
  using Progress = grpc::ServerWriter<v1::HardeningProgress>;

  Service(Events& events, std::string socket, std::atomic<int>& watches, const rpc::Gate& gate)
      : events_(events), socket_(std::move(socket)), watches_(watches), gate_(gate) {}

  grpc::Status AuditEngine(grpc::ServerContext* context, const v1::AuditEngineRequest*,
                           v1::EngineAudit* response) override {
    return Serve(context, "AuditEngine", "", [&](const rpc::Call& call) {
      return Ask(*context, call.deadline, {}, *response);
    });
  }

  grpc::Status WatchEngine(grpc::ServerContext* context, const v1::WatchEngineRequest*,
                           grpc::ServerWriter<v1::EngineEvent>* writer) override {
    return Serve(context, "WatchEngine", "", [&](const rpc::Call&) -> Status {
      ASSIGN_OR_RETURN(const rpc::Watch watch, rpc::Watch::Begin(gate_));
      const WatchPlace place(watches_);
      if (!place.has()) {
        return Fail(Code::kResourceExhausted, "TOO_MANY_WATCHERS",
                    "at most " + std::to_string(kMaxWatches) + " clients may watch the engine");
      }
      return Watch(*context, *writer);
    });
  }

  grpc::Status PlanHardening(grpc::ServerContext* context, const v1::PlanHardeningRequest* request,
                             v1::HardeningPlan* response) override {
    return Serve(context, "PlanHardening", request->profile(), [&](const rpc::Call& call) {
      HardenerRequest wanted;
      wanted.call = HardenerCall::kPlan;
      wanted.profile = request->profile();
      return Ask(*context, call.deadline, wanted, *response);
    });
  }

  grpc::Status ApplyHardening(grpc::ServerContext* context,
                              const v1::ApplyHardeningRequest* request, Progress* writer) override {
    return Serve(context, "ApplyHardening", request->profile(), [&](const rpc::Call&) -> Status {
      HardenerRequest wanted;
      wanted.call = HardenerCall::kApply;
      wanted.profile = request->profile();
      wanted.digest = request->plan_digest();
      RETURN_IF_ERROR(ReadChange(*request, wanted));
      return Change(*context, wanted, *writer);
    });
  }

  grpc::Status RollBackHardening(grpc::ServerContext* context,
                                 const v1::RollBackHardeningRequest* request,
                                 Progress* writer) override {
    return Serve(context, "RollBackHardening", request->transaction(),
                 [&](const rpc::Call&) -> Status {
                   HardenerRequest wanted;
                   wanted.call = HardenerCall::kRollBack;
                   wanted.transaction = request->transaction();
                   RETURN_IF_ERROR(ReadChange(*request, wanted));
                   return Change(*context, wanted, *writer);
                 });
  }

  grpc::Status ListHardening(grpc::ServerContext* context, const v1::ListHardeningRequest*,
                             v1::ListHardeningResponse* response) override {
    return Serve(context, "ListHardening", "", [&](const rpc::Call& call) {
      HardenerRequest wanted;
      wanted.call = HardenerCall::kHistory;
      return Ask(*context, call.deadline, wanted, *response);
    });
  }

 private:
  grpc::Status Serve(grpc::ServerContext* context, std::string_view method,
                     const std::string& target,
                     const std::function<Status(const rpc::Call&)>& work) {
    return rpc::Serve(gate_, *context, "seaworthy.v1.DockerService." + std::string(method), target,
                      work);
  }

  Status Ask(const grpc::ServerContext& context, Deadline deadline, const HardenerRequest& wanted,
             google::protobuf::Message& response) {
    HardenerListener listener;
    listener.wanted = [&context] { return !context.IsCancelled(); };
    ASSIGN_OR_RETURN(const std::string answer, AskHardener(socket_, deadline, wanted, listener));
    return FromJson(answer, response);
  }

  // As NodeService.WatchEvents, goes on past the gate's default deadline.
  Status Watch(const grpc::ServerContext& context, grpc::ServerWriter<v1::EngineEvent>& writer) {
    HardenerRequest wanted;
    wanted.call = HardenerCall::kWatch;
    HardenerListener listener;
    listener.wanted = [&] { return !context.IsCancelled() && !events_.closed(); };
    listener.step = [&](const std::string& json) -> Status {
      v1::EngineEvent event;
      RETURN_IF_ERROR(FromJson(json, event));
      return writer.Write(event) ? Status()
                                 : Fail(Code::kCancelled, "CLIENT_GONE", "the client has gone");
    };
    const Status ended = AskHardener(socket_, DeadlineIn(kWatchTime), wanted, listener).status();
    return events_.closed() ? Status() : ended;
  }

  // As ReencryptVolume, goes on past the gate's default deadline: a transaction takes as long as
  // the engine does. The client's own deadline cancels the call.
  Status Change(grpc::ServerContext& context, const HardenerRequest& wanted, Progress& writer) {
    const Deadline end = DeadlineIn(kTransactionTime);
    const rpc::StreamDeadline deadline(context, end);
    HardenerListener listener;
    listener.wanted = [&context] { return !context.IsCancelled(); };
    listener.step = [&](const std::string& json) -> Status {
      v1::HardeningProgress progress;
      RETURN_IF_ERROR(FromJson(json, *progress.mutable_step()));
      return writer.Write(progress) ? Status() : deadline.NotTaken();
    };
    ASSIGN_OR_RETURN(const std::string answer, AskHardener(socket_, end, wanted, listener));
    v1::HardeningProgress last;
    v1::HardeningTransaction& done = *last.mutable_transaction();
    RETURN_IF_ERROR(FromJson(answer, done));
    events_.Publish("docker." + done.kind(), done.profile(), done.id() + ": " + done.result());
    if (!writer.Write(last)) return deadline.NotTaken();
    return ResultOf(done);
  }

  Events& events_;
  const std::string socket_;
  std::atomic<int>& watches_;
  const rpc::Gate& gate_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> Docker::MakeServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Service>(events_, options_.hardener_socket, watches_, gate));
  return services;
}

}  // namespace seaworthy::docker
