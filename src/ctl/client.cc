#include "ctl/client.h"

#include <filesystem>

#include "ctl/socket.h"
#include "seaworthy/directory.h"

namespace seaworthy::ctl {
namespace {

// A list of as many keys as the daemon keeps, each with its certificate chain, fits.
constexpr int kMaxMessage = 128 * 1024 * 1024;
constexpr std::size_t kMaxPemFile = 1024 * 1024;

std::string Metadata(const grpc::ClientContext& context, const char* key) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessage);
  return arguments;
}

Outcome Unreachable(Status status) { return {ExitCode::kUnreachable, std::move(status), ""}; }

Result<std::string> ReadPem(const std::string& path) {
  Result<Bytes> content = ReadFile(path, kMaxPemFile);
  if (!content.ok()) return content.status();
  return std::string(AsText(*content));
}

}  // namespace

Outcome Client::Connect() {
  if (channel_ != nullptr) return {};
  return connection_.address.empty() ? ConnectLocal() : ConnectRemote();
}

Outcome Client::ConnectLocal() {
  std::string socket = connection_.socket;
  if (socket.empty()) {
    Result<std::string> chosen = ChooseSocket(kAdminSocket, kReadSocket);
    if (!chosen.ok()) return Unreachable(chosen.status());
    socket = *chosen;
  } else if (Status status = CheckSocket(socket); !status.ok()) {
    if (status.code() == Code::kInvalidArgument) return Usage(status);
    return Unreachable(status);
  }
  target_ = socket;
  channel_ = grpc::CreateCustomChannel(
      "unix:" + std::filesystem::absolute(socket).lexically_normal().string(),
      grpc::InsecureChannelCredentials(), Arguments());
  return {};
}

Outcome Client::ConnectRemote() {
  grpc::SslCredentialsOptions tls;
  const std::pair<const std::string&, std::string&> files[] = {
      {connection_.ca_file, tls.pem_root_certs},
      {connection_.certificate_file, tls.pem_cert_chain},
      {connection_.key_file, tls.pem_private_key},
  };
  for (const auto& [path, pem] : files) {
    Result<std::string> content = ReadPem(path);
    if (!content.ok()) return Usage(content.status());
    pem = *content;
  }
  grpc::ChannelArguments arguments = Arguments();
  if (!connection_.server_name.empty()) {
    arguments.SetSslTargetNameOverride(connection_.server_name);
  }
  target_ = connection_.address;
  channel_ = grpc::CreateCustomChannel(target_, grpc::SslCredentials(tls), arguments);
  return {};
}

void Client::SetDeadline(grpc::ClientContext& context, std::chrono::seconds fallback) const {
  const std::chrono::duration<double> timeout =
      connection_.timeout_seconds ? std::chrono::duration<double>(*connection_.timeout_seconds)
                                  : fallback;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::milliseconds>(timeout));
}

Outcome Client::Finish(const grpc::ClientContext& context, const grpc::Status& status) const {
  if (status.ok()) return {};
  const auto code = static_cast<Code>(status.error_code());
  const std::string reason = Metadata(context, "seaworthy-reason");
  const std::string request_id = Metadata(context, "seaworthy-request-id");
  if (!reason.empty()) {
    // A key bound to PCRs answers "no" when they are not as they should be: a policy's answer,
    // not a failure.
    const ExitCode exit = reason == "PCR_POLICY_UNMET" ? ExitCode::kNo : ExitCode::kFailed;
    return {exit, Fail(code, reason, status.error_message()), request_id};
  }
  // Without a reason it was not the daemon's handler that answered but gRPC, here or there.
  const bool connected = channel_->GetState(false) == GRPC_CHANNEL_READY;
  if (code == Code::kDeadlineExceeded && connected) {
    return {ExitCode::kFailed,
            Fail(code, "NO_ANSWER", target_ + ": no answer in time (see --timeout)"), request_id};
  }
  if (code == Code::kDeadlineExceeded) {
    return Unreachable(
        Fail(Code::kUnavailable, "NO_CONNECTION", target_ + ": no connection in time"));
  }
  if (code == Code::kUnavailable) {
    return Unreachable(Fail(code, "NO_CONNECTION", target_ + ": " + status.error_message()));
  }
  return {ExitCode::kFailed, Status(code, status.error_message()), request_id};
}

bool Client::IsTimeOver(const grpc::Status& status) const {
  return connection_.timeout_seconds &&
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
         channel_->GetState(false) == GRPC_CHANNEL_READY;
}

}  // namespace seaworthy::ctl
