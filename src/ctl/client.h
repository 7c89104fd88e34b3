// The daemon, asked over gRPC: by a local socket or by mutual TLS. Every call has a deadline.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "ctl/outcome.h"
#include "seaworthy/v1/node.grpc.pb.h"

namespace seaworthy::ctl {

struct Connection {
  std::string socket;   // empty: the admin socket, or the read socket for those who may not
  std::string address;  // "host:port": remote, with the four below
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;  // empty: the host of the address
  std::optional<double> timeout_seconds;
};

class Client {
 public:
  static constexpr std::chrono::seconds kTimeout{30};

  explicit Client(Connection connection) : connection_(std::move(connection)) {}

  // Whether the user said which daemon is to be asked.
  bool named() const { return !connection_.socket.empty() || !connection_.address.empty(); }

  // Calls one method: Call(&v1::KeyService::Stub::GetKey, request, key). `timeout` holds when
  // the user gave none.
  template <class Stub, class Request, class Response>
  Outcome Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
               const Request& request, Response& response,
               std::chrono::seconds timeout = kTimeout) {
    if (Outcome outcome = Connect(); !outcome.ok()) return outcome;
    grpc::ClientContext context;
    SetDeadline(context, timeout);
    Stub stub(channel_);
    return Finish(context, (stub.*method)(&context, request, &response));
  }

  // Calls one method that streams, and hands over each message until the stream ends; what `take`
  // says no to ends the call, as wrong usage.
  template <class Stub, class Request, class Message>
  Outcome Stream(std::unique_ptr<grpc::ClientReader<Message>> (Stub::*method)(grpc::ClientContext*,
                                                                              const Request&),
                 const Request& request, const std::function<Status(const Message&)>& take,
                 std::chrono::seconds timeout = kTimeout) {
    if (Outcome outcome = Connect(); !outcome.ok()) return outcome;
    grpc::ClientContext context;
    SetDeadline(context, timeout);
    Stub stub(channel_);
    const auto reader = (stub.*method)(&context, request);
    Message message;
    while (reader->Read(&message)) {
      if (Status taken = take(message); !taken.ok()) {
        context.TryCancel();
        static_cast<void>(reader->Finish());
        return Usage(taken);
      }
    }
    return Finish(context, reader->Finish());
  }

  // Calls one method that takes a stream: of `request`, which `next` then makes the next message
  // of, until it says no more.
  template <class Stub, class Request, class Response>
  Outcome Send(std::unique_ptr<grpc::ClientWriter<Request>> (Stub::*method)(grpc::ClientContext*,
                                                                            Response*),
               Request& request, const std::type_identity_t<std::function<bool(Request&)>>& next,
               Response& response, std::chrono::seconds timeout) {
    if (Outcome outcome = Connect(); !outcome.ok()) return outcome;
    grpc::ClientContext context;
    SetDeadline(context, timeout);
    Stub stub(channel_);
    const auto writer = (stub.*method)(&context, &response);
    // A daemon that has refused takes no more; Finish has its word.
    while (writer->Write(request) && next(request)) {
    }
    static_cast<void>(writer->WritesDone());
    return Finish(context, writer->Finish());
  }

  // As Stream, without an end: until `take` says no more, the daemon ends the stream, or the time
  // the user gave is over (no end when they gave none).
  template <class Stub, class Request, class Message>
  Outcome Watch(std::unique_ptr<grpc::ClientReader<Message>> (Stub::*method)(grpc::ClientContext*,
                                                                             const Request&),
                const Request& request,
                const std::type_identity_t<std::function<bool(Message&)>>& take) {
    if (Outcome outcome = Connect(); !outcome.ok()) return outcome;
    grpc::ClientContext context;
    if (connection_.timeout_seconds) SetDeadline(context, kTimeout);
    Stub stub(channel_);
    const auto reader = (stub.*method)(&context, request);
    Message message;
    while (reader->Read(&message)) {
      if (take(message)) continue;
      context.TryCancel();
      static_cast<void>(reader->Finish());
      return {};
    }
    const grpc::Status status = reader->Finish();
    return IsTimeOver(status) ? Outcome() : Finish(context, status);
  }

 private:
  // Opens the channel when it is not.
  Outcome Connect();
  Outcome ConnectLocal();
  Outcome ConnectRemote();
  void SetDeadline(grpc::ClientContext& context, std::chrono::seconds fallback) const;
  // Whether the time that the user gave is over, and not that for connecting.
  bool IsTimeOver(const grpc::Status& status) const;
  Outcome Finish(const grpc::ClientContext& context, const grpc::Status& status) const;

  const Connection connection_;
  std::string target_;  // what is asked, for messages
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace seaworthy::ctl
