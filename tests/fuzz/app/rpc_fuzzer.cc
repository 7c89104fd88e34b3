// Every RPC of the whole daemon, in this process and on a swtpm of its own, with request bytes
// that need not be a message. The first byte picks the method, the rest is the request. Nothing
// may crash, and nothing may be left behind in the TPM.
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "app/app.h"
#include "support/daemon_config.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::app {
namespace {

using std::chrono::milliseconds;

struct Method {
  std::string path;
  bool endless = false;   // a stream that ends only when its client does
  bool hardener = false;  // done by a process that is not here
};

std::vector<Method> AllMethods() {
  std::vector<Method> methods;
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  for (const char* name : {"NodeService", "KeyService", "AttestationService", "IntegrityService",
                           "VolumeService", "DockerService"}) {
    const auto* service = pool.FindServiceByName(std::string("seaworthy.v1.") + name);
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* method = service->method(i);
      // It destroys what is on a device, and the fuzzer may name any file of this machine.
      if (method->name() == "FormatVolume") continue;
      methods.push_back({"/" + service->full_name() + "/" + method->name(),
                         method->name().starts_with("Watch"), service->name() == "DockerService"});
    }
  }
  return methods;
}

class Daemon {
 public:
  Daemon() {
    const Config config = testing::DaemonConfig(root_, tpm_.tcti());
    auto app = App::Start(config);
    if (!app.ok()) std::abort();
    app_ = *std::move(app);
    stub_ = std::make_unique<grpc::GenericStub>(grpc::CreateChannel(
        "unix:" + config.local.admin_socket, grpc::InsecureChannelCredentials()));
  }

  void Call(const Method& method, const void* request, std::size_t size) {
    const grpc::Slice slice(request, size);
    const grpc::ByteBuffer buffer(&slice, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    grpc::ClientContext context;
    const milliseconds patience(method.endless ? 2 : 60'000);
    context.set_deadline(std::chrono::system_clock::now() + patience);
    grpc::CompletionQueue queue;
    const auto call = stub_->PrepareUnaryCall(&context, method.path, buffer, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    const bool may_be_away = method.endless || method.hardener;
    if (!may_be_away && status.error_code() == grpc::StatusCode::UNAVAILABLE) std::abort();
  }

  void CheckForLeaks() {
    const auto counts =
        app_->broker().Run(DeadlineIn(std::chrono::seconds(60)),
                           [](tpm::Context& context) { return tpm::CountHandles(context); });
    if (!counts.ok() || counts->transient > 1 || counts->sessions > 0) std::abort();
  }

 private:
  testing::SwTpm tpm_;
  testing::TempRoot root_;
  std::unique_ptr<App> app_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace
}  // namespace seaworthy::app

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto methods = seaworthy::app::AllMethods();
  static seaworthy::app::Daemon daemon;
  static int calls = 0;
  if (size == 0) return 0;
  daemon.Call(methods[data[0] % methods.size()], data + 1, size - 1);
  if (++calls % 64 == 0) daemon.CheckForLeaks();
  return 0;
}
