// DockerService in the whole daemon, on a node where nobody hardens.
#include "app_fixture.h"
#include "seaworthy/v1/docker.grpc.pb.h"

namespace seaworthy::app {
namespace {

using DockerApi = AppTest;

TEST_F(DockerApi, IsThereAndHealthyWithoutAHardener) {
  Start();
  const auto stub = v1::DockerService::NewStub(admin_);
  v1::EngineAudit audit;
  const Answer answer =
      Call(*stub, &v1::DockerService::Stub::AuditEngine, v1::AuditEngineRequest(), audit);
  EXPECT_EQ(answer.reason, "HARDENER_MISSING");
  const auto modules = GetStatus(reader_).modules();
  const auto docker = std::ranges::find(modules, "docker", &v1::ModuleStatus::name);
  ASSERT_NE(docker, modules.end());
  EXPECT_EQ(docker->health(), v1::HEALTHY);
}

}  // namespace
}  // namespace seaworthy::app
