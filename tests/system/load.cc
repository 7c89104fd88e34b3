// 64 clients at once for half a minute on the real daemon: nothing may fail but by an honest
// deadline, and memory must not grow.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "seaworthy/directory.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/v1/key.grpc.pb.h"
#include "seaworthy/v1/node.grpc.pb.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kClients = 64;
constexpr seconds kWarmUp(10);
constexpr seconds kLoad(30);
constexpr seconds kCallDeadline(5);

class Load : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string file = root_ / "seaworthyd.toml";
    std::ofstream(file) << "[node]\nstate_dir = \"" << root_ / "state" << "\"\n[tpm]\ntcti = \""
                        << tpm_.tcti() << "\"\n[local]\nadmin_socket = \"" << root_ / "admin/s"
                        << "\"\nread_socket = \"" << root_ / "read/s"
                        << "\"\nread_group = \"\"\n[audit]\nfile = \"" << root_ / "audit.jsonl"
                        << "\"\n";
    daemon_ = fork();
    if (daemon_ == 0) {
      execl(SEAWORTHYD, "seaworthyd", "--config", file.c_str(), nullptr);
      _exit(127);
    }
    const auto channel = Channel();
    const auto deadline = std::chrono::system_clock::now() + seconds(30);
    ASSERT_TRUE(channel->WaitForConnected(deadline));
    grpc::ClientContext context;
    v1::CreateKeyRequest request;
    request.set_name("load");
    v1::Key key;
    const auto stub = v1::KeyService::NewStub(channel);
    const grpc::Status status = stub->CreateKey(&context, request, &key);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  void TearDown() override {
    kill(daemon_, SIGTERM);
    int status = 0;
    waitpid(daemon_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }

  std::shared_ptr<grpc::Channel> Channel() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + (root_ / "admin/s"),
                                     grpc::InsecureChannelCredentials(), arguments);
  }

  // Resident memory in KiB.
  long Resident() const {
    std::ifstream status("/proc/" + std::to_string(daemon_) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::atol(line.c_str() + 6);
    }
    return -1;
  }

  testing::SwTpm tpm_;
  testing::TempRoot root_;
  pid_t daemon_ = -1;
};

grpc::Status CallSomething(const std::shared_ptr<grpc::Channel>& channel, int round) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallDeadline);
  if (round % 8 == 0) {
    v1::QuoteRequest request;
    request.set_nonce(std::string(32, 'n'));
    v1::QuoteResponse response;
    return v1::AttestationService::NewStub(channel)->Quote(&context, request, &response);
  }
  if (round % 8 == 1) {
    v1::GetStatusResponse response;
    return v1::NodeService::NewStub(channel)->GetStatus(&context, {}, &response);
  }
  if (round % 8 == 2) {
    v1::ListKeysResponse response;
    return v1::KeyService::NewStub(channel)->ListKeys(&context, {}, &response);
  }
  v1::SignRequest request;
  request.set_name("load");
  request.set_hash(v1::SHA256);
  request.set_digest(std::string(32, 'd'));
  v1::SignResponse response;
  return v1::KeyService::NewStub(channel)->Sign(&context, request, &response);
}

TEST_F(Load, ManyClientsForHalfAMinute) {
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::map<std::string, int> outcomes;
  std::vector<std::jthread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      const auto channel = Channel();
      for (int round = client; !stop; ++round) {
        const grpc::Status status = CallSomething(channel, round);
        const std::lock_guard lock(mutex);
        ++outcomes[status.ok() ? "ok"
                   : status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED
                       ? "deadline"
                       : status.error_message()];
      }
    });
  }
  const auto begin = steady_clock::now();
  std::this_thread::sleep_until(begin + kWarmUp);
  const long warm = Resident();
  std::this_thread::sleep_until(begin + kLoad);
  const long after = Resident();
  stop = true;
  clients.clear();
  const int ok = outcomes["ok"];
  outcomes.erase("ok");
  outcomes.erase("deadline");
  for (const auto& [error, count] : outcomes) ADD_FAILURE() << count << " times: " << error;
  EXPECT_GT(ok, 1000);
  ASSERT_GT(warm, 0);
  EXPECT_LT(after, warm + warm / 10 + 1024) << "KiB; " << warm << " after the warm-up";
  RecordProperty("calls", ok);
  std::printf("%d calls; resident %ld KiB warm, %ld KiB after\n", ok, warm, after);
}

}  // namespace
}  // namespace seaworthy
