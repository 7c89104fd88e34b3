// gRPC's own TLS with a key in the TPM, given to it as it takes any key: as PEM.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <condition_variable>
#include <mutex>

#include "component/tls/tpm_fixture.h"
#include "seaworthy/tls/x509.h"
#include "seaworthy/tpm/tss2_pem.h"

namespace seaworthy::tls {
namespace {

using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TpmFixture;
using tpm::KeyAlgorithm;

class GrpcTest : public TpmFixture, public ::testing::WithParamInterface<KeyAlgorithm> {};

INSTANTIATE_TEST_SUITE_P(Algorithms, GrpcTest,
                         ::testing::Values(KeyAlgorithm::kEcP256, KeyAlgorithm::kEcP384,
                                           KeyAlgorithm::kRsa2048, KeyAlgorithm::kRsa3072),
                         [](const auto& test) { return std::string(tpm::ToString(test.param)); });

// The answer of grpc.health.v1.Health.Check as bytes; no generated code needed.
std::string CheckHealth(const std::shared_ptr<grpc::Channel>& channel, grpc::Status& status) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  const grpc::Slice nothing;
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&](const grpc::Status& result) {
                   const std::scoped_lock lock(mutex);
                   status = result;
                   done = true;
                   changed.notify_all();
                 });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  grpc::Slice slice;
  if (!status.ok() || !response.DumpToSingleSlice(&slice).ok()) return "";
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

TEST_P(GrpcTest, ServesAnRpc) {
  const tpm::WrappedKey wrapped = Create(GetParam());
  const EvpPkeyPtr key = Load(wrapped);
  const auto certificate = MakeSelfSigned(
      key.get(),
      {.distinguished_name = "CN=node", .dns_names = {"node"}, .ip_addresses = {}, .uris = {}},
      std::chrono::system_clock::now(), std::chrono::hours(1));
  ASSERT_THAT(certificate, IsOk());

  grpc::EnableDefaultHealthCheckService(true);
  grpc::SslServerCredentialsOptions server_options;
  server_options.pem_key_cert_pairs.push_back({tpm::ToTss2Pem(wrapped), *certificate});
  int port = 0;
  // gRPC serves nothing, not even health, without a service or a completion queue.
  grpc::CallbackGenericService unused;
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&unused);
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(server_options), &port);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);

  grpc::SslCredentialsOptions client_options;
  client_options.pem_root_certs = *certificate;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("node");
  const auto channel = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                                 grpc::SslCredentials(client_options), arguments);
  grpc::Status status;
  EXPECT_EQ(CheckHealth(channel, status), std::string("\x08\x01", 2));  // status: SERVING
  EXPECT_TRUE(status.ok()) << status.error_message();
  server->Shutdown();
}

}  // namespace
}  // namespace seaworthy::tls
