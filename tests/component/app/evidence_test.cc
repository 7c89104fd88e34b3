// AttestationService.Attest over gRPC.
#include <cstdlib>
#include <filesystem>

#include "app_fixture.h"
#include "support/ima_entry.h"

namespace seaworthy::app {
namespace {

using ::testing::ElementsAre;

class Evidence : public AppTest {
 protected:
  // A list of so many bytes that no quote fits, so that all of it is sent.
  void WriteList(std::size_t size) {
    const Bytes entry =
        testing::MakeImaNgEntry("/" + std::string(4'000, 'd') + "/file", Bytes(32, 1));
    std::ofstream list(config_.attestation.ima_list, std::ios::binary);
    for (std::size_t written = 0; written < size; written += entry.size()) list << AsText(entry);
    const std::string extend =
        "TPM2TOOLS_TCTI='" + tpm_.tcti() + "' tpm2_pcrextend 10:sha256=" + std::string(64, '1');
    ASSERT_EQ(std::system(extend.c_str()), 0);
  }
  static v1::AttestRequest Request() {
    v1::AttestRequest request;
    request.set_nonce(std::string(32, 'n'));
    return request;
  }
  // The reasons in the audit's last records, of the calls that are over.
  std::vector<std::string> Outcomes() const {
    std::vector<std::string> outcomes;
    for (const nlohmann::json& record : Audited()) {
      if (record["method"] != "seaworthy.v1.AttestationService/Attest") continue;
      if (record["outcome"] != "begin") outcomes.push_back(record.value("reason", ""));
    }
    return outcomes;
  }
};

TEST_F(Evidence, ComesInPartsThatGrpcTakesByDefault) {
  const std::size_t size = std::size_t{5} << 20;
  WriteList(size);
  std::ofstream(config_.attestation.boot_log) << std::string(1 << 20, 'b');
  Start();
  const auto stub = v1::AttestationService::NewStub(admin_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(30));
  const auto reader = stub->Attest(&context, Request());
  v1::Evidence part;
  std::string list;
  int parts = 0;
  for (; reader->Read(&part); ++parts) {
    EXPECT_EQ(part.boot_log().size(), parts == 0 ? 1U << 20 : 0U);
    EXPECT_EQ(part.pcrs_size(), parts == 0 ? 24 : 0);
    list += part.ima_list();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_GT(parts, 4);
  EXPECT_EQ(list.size(), std::filesystem::file_size(config_.attestation.ima_list));
  EXPECT_THAT(Outcomes(), ElementsAre(""));
}

// M-56: who asks and does not read holds no thread for longer than a call may take.
TEST_F(Evidence, AClientThatDoesNotReadIsCutOff) {
  WriteList(std::size_t{32} << 20);
  config_.limits.default_deadline = milliseconds(1'000);
  Start();
  const auto stub = v1::AttestationService::NewStub(admin_);
  grpc::ClientContext context;  // without a deadline
  const auto reader = stub->Attest(&context, Request());
  ASSERT_TRUE(Eventually([&] { return !Outcomes().empty(); }));
  EXPECT_THAT(Outcomes(), ElementsAre("CLIENT_TOO_SLOW"));
  v1::Evidence part;
  while (reader->Read(&part)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(Evidence, AClientThatGoesEndsTheCall) {
  // gRPC's last channel or server would wait 10 s for the write that nobody takes any more.
  static const auto* const another =
      new std::shared_ptr<grpc::Channel>(OpenChannel("unix:" + config_.local.admin_socket));
  EXPECT_NE(*another, nullptr);
  WriteList(std::size_t{32} << 20);
  Start();
  const auto stub = v1::AttestationService::NewStub(admin_);
  {
    grpc::ClientContext context;
    const auto reader = stub->Attest(&context, Request());
    v1::Evidence part;
    EXPECT_TRUE(reader->Read(&part));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ASSERT_TRUE(Eventually([&] { return !Outcomes().empty(); }));
  EXPECT_THAT(Outcomes(), ElementsAre("CLIENT_GONE"));
}

}  // namespace
}  // namespace seaworthy::app
