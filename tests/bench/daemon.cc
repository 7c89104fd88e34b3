#include "bench/daemon.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "bench/process.h"
#include "seaworthy/verify.h"

namespace seaworthy::bench {
namespace {

constexpr int kReadyTimeoutMs = 20'000;

UniqueFd BindNotifySocket(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Give("binding " + path + ": " + std::strerror(errno));
  }
  return fd;
}

void Check(const grpc::Status& status, const char* what) {
  if (!status.ok()) Give(std::string(what) + ": " + status.error_message());
}

}  // namespace

Daemon::Daemon(std::string program, const std::string& tcti)
    : program_(std::move(program)), notify_(BindNotifySocket(root_ / "notify")) {
  std::ofstream config(root_ / "config.toml");
  config << "[node]\nstate_dir = \"" << root_ / "state" << "\"\n"
         << "[tpm]\ntcti = \"" << tcti << "\"\n"
         << "[local]\nadmin_socket = \"" << root_ / "admin/s" << "\"\n"
         << "read_socket = \"" << root_ / "read/s" << "\"\nread_group = \"\"\n"
         << "[attestation]\nboot_log = \"" << boot_log() << "\"\nima_list = \"" << ima_list()
         << "\"\n"
         << "[audit]\nfile = \"" << root_ / "audit.jsonl" << "\"\n";
}

Daemon::~Daemon() { Stop(); }

std::chrono::nanoseconds Daemon::Start() {
  const auto begin = std::chrono::steady_clock::now();
  pid_ = bench::Start({program_, "--config", root_ / "config.toml"},
                      {"NOTIFY_SOCKET=" + root_ / "notify"}, root_ / "log");
  for (;;) {
    pollfd ready = {notify_.get(), POLLIN, 0};
    if (poll(&ready, 1, kReadyTimeoutMs) != 1) {
      std::ifstream log(root_ / "log");
      Give("seaworthyd did not get ready:\n" +
           std::string(std::istreambuf_iterator<char>(log), {}));
    }
    const auto now = std::chrono::steady_clock::now();
    char text[512];
    const ssize_t size = recv(notify_.get(), text, sizeof(text), 0);
    if (size > 0 && std::string_view(text, static_cast<std::size_t>(size)).find("READY=1") !=
                        std::string_view::npos) {
      const auto channel =
          grpc::CreateChannel("unix:" + root_ / "admin/s", grpc::InsecureChannelCredentials());
      keys_ = v1::KeyService::NewStub(channel);
      node_ = v1::NodeService::NewStub(channel);
      volumes_ = v1::VolumeService::NewStub(channel);
      attestation_ = v1::AttestationService::NewStub(channel);
      generic_ = std::make_unique<grpc::GenericStub>(channel);
      return now - begin;
    }
  }
}

std::chrono::nanoseconds Daemon::StartAndUnlock(int count) {
  const auto begin = std::chrono::steady_clock::now();
  Start();
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_include_recent(true);
  const auto events = node_->WatchEvents(&context, request);
  v1::Event event;
  for (int unlocked = 0; unlocked < count;) {
    if (!events->Read(&event)) Check(events->Finish(), "WatchEvents");
    if (event.type() != "volume.refused") continue;
    if (!event.message().starts_with("DEVICE_PATH_INVALID")) Give(event.message());
    ++unlocked;
  }
  const auto end = std::chrono::steady_clock::now();
  context.TryCancel();
  return end - begin;
}

void Daemon::FormatVolume(const std::string& name) {
  const std::string device = root_ / (name + ".img");
  std::ofstream(device, std::ios::trunc);
  std::filesystem::resize_file(device, std::uint64_t{20} << 20);
  grpc::ClientContext context;
  v1::FormatVolumeRequest request;
  request.set_name(name);
  request.set_device(device);
  request.set_open_at_start(true);
  v1::FormatVolumeResponse response;
  Check(volumes_->FormatVolume(&context, request, &response), "FormatVolume");
}

void Daemon::Stop() {
  if (pid_ <= 0) return;
  keys_.reset();
  node_.reset();
  volumes_.reset();
  attestation_.reset();
  generic_.reset();
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  // What it said on its way out.
  char text[512];
  while (recv(notify_.get(), text, sizeof(text), MSG_DONTWAIT) > 0) {
  }
}

double Daemon::ResidentMib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (status >> word) {
    if (word != "VmRSS:") continue;
    double kib = 0;
    status >> kib;
    return kib / 1024;
  }
  Give("seaworthyd is not running");
}

void Daemon::CreateKey(const std::string& name, v1::KeyAlgorithm algorithm) {
  grpc::ClientContext context;
  v1::CreateKeyRequest request;
  request.set_name(name);
  request.set_algorithm(algorithm);
  v1::Key key;
  const grpc::Status status = keys_->CreateKey(&context, request, &key);
  if (status.error_code() != grpc::StatusCode::ALREADY_EXISTS) Check(status, "CreateKey");
}

Bytes Daemon::Sign(const std::string& name, ByteView sha256) {
  grpc::ClientContext context;
  v1::SignRequest request;
  request.set_name(name);
  request.set_hash(v1::SHA256);
  request.set_digest(sha256.data(), sha256.size());
  v1::SignResponse response;
  Check(keys_->Sign(&context, request, &response), "Sign");
  return {response.signature().begin(), response.signature().end()};
}

std::vector<Bytes> Daemon::SignBatch(const std::string& name, v1::SignatureScheme scheme,
                                     std::span<const Bytes> sha256s) {
  grpc::ClientContext context;
  v1::SignBatchRequest request;
  request.set_name(name);
  request.set_hash(v1::SHA256);
  request.set_scheme(scheme);
  for (const Bytes& digest : sha256s) request.add_digests(digest.data(), digest.size());
  v1::SignBatchResponse response;
  Check(keys_->SignBatch(&context, request, &response), "SignBatch");
  std::vector<Bytes> signatures;
  for (const std::string& signature : response.signatures()) {
    signatures.emplace_back(signature.begin(), signature.end());
  }
  return signatures;
}

std::string Daemon::PublicKeyPem(const std::string& name) {
  grpc::ClientContext context;
  v1::GetKeyRequest request;
  request.set_name(name);
  v1::Key key;
  Check(keys_->GetKey(&context, request, &key), "GetKey");
  return key.public_key_pem();
}

void Daemon::Quote() {
  grpc::ClientContext context;
  v1::QuoteRequest request;
  request.set_nonce(std::string(32, '\0'));
  v1::QuoteResponse response;
  Check(attestation_->Quote(&context, request, &response), "Quote");
}

std::uint32_t Daemon::Attest(std::uint64_t ima_first, std::uint32_t reset_count) {
  grpc::ClientContext context;
  v1::AttestRequest request;
  const Bytes nonce(32);
  request.set_nonce(std::string(AsText(nonce)));
  request.set_ima_first(ima_first);
  request.set_reset_count(reset_count);
  const auto parts = attestation_->Attest(&context, request);
  v1::Evidence first;
  v1::Evidence part;
  if (!parts->Read(&first)) Check(parts->Finish(), "Attest");
  while (parts->Read(&part)) {
  }
  Check(parts->Finish(), "Attest");
  if (first.ima_first() != ima_first || first.ima_list().empty()) Give("not the list asked for");
  if (reset_count != 0) return reset_count;
  const auto evidence = Must(verify::ParseEvidence(AsBytes(first.SerializeAsString())), "parsing");
  const Bytes name = Must(verify::NameOf(evidence.ak_public), "naming the attestation key");
  return verify::VerifyQuote(evidence, nonce, {name}).clock.reset_count;
}

void Daemon::CheckHealth() {
  grpc::ClientContext context;
  const grpc::Slice empty;  // the message without fields: the whole server's health
  const grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  grpc::CompletionQueue queue;
  const auto call =
      generic_->PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  Check(status, "Health/Check");
}

}  // namespace seaworthy::bench
