// What the command line makes of answers that a sound daemon rarely gives, from a small server
// in this process.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <poll.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "ctl/cli.h"
#include "seaworthy/v1/key.grpc.pb.h"
#include "seaworthy/v1/node.grpc.pb.h"
#include "support/temp_root.h"

namespace seaworthy::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempRoot;

class FailingKeys final : public v1::KeyService::Service {
 public:
  // The key's name says what comes of it.
  grpc::Status GetKey(grpc::ServerContext* context, const v1::GetKeyRequest* request,
                      v1::Key*) override {
    if (request->name() == "silent") {
      while (!context->IsCancelled()) poll(nullptr, 0, 5);
      return grpc::Status::CANCELLED;
    }
    if (request->name() == "gone") return {grpc::StatusCode::UNAVAILABLE, "going down"};
    context->AddTrailingMetadata("seaworthy-request-id", "id-7");
    context->AddTrailingMetadata("seaworthy-reason", request->name());
    return {grpc::StatusCode::FAILED_PRECONDITION, "no\033[2J"};
  }
};

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + root_ / "s", grpc::InsecureServerCredentials());
    builder.RegisterService(&keys_);
    server_ = builder.BuildAndStart();
  }

  Ran Show(const std::string& name, std::vector<std::string> more = {}) const {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{in, out, err, false, false};
    more.insert(more.begin(), {"--socket", root_ / "s", "key", "show", name});
    const int exit = ctl::Run(std::move(more), terminal);
    return {exit, out.str(), err.str()};
  }

  TempRoot root_;
  FailingKeys keys_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ClientTest, AnUnmetPolicyIsNo) {
  const Ran ran = Show("PCR_POLICY_UNMET");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_EQ(ran.err, "seaworthyctl: no\\x1b[2J [PCR_POLICY_UNMET]\n  request id-7\n");
}

TEST_F(ClientTest, AnyOtherRefusalIsFour) {
  EXPECT_EQ(Show("KEY_DAMAGED").exit, 4);
  const Ran ran = Show("KEY_DAMAGED", {"--output", "json"});
  const auto error = nlohmann::json::parse(ran.err)["error"];
  EXPECT_EQ(error["code"], "FAILED_PRECONDITION");
  EXPECT_EQ(error["reason"], "KEY_DAMAGED");
  EXPECT_EQ(error["request_id"], "id-7");
}

TEST_F(ClientTest, UnavailableIsUnreachableOnlyWhenTheDaemonDidNotSayIt) {
  EXPECT_EQ(Show("gone").exit, 3);
  EXPECT_EQ(Show("TPM_LOST").exit, 4);
}

TEST_F(ClientTest, NoAnswerInTimeIsFour) {
  const Ran ran = Show("silent", {"--timeout", "0.3"});
  EXPECT_EQ(ran.exit, 4);
  EXPECT_THAT(ran.err, HasSubstr("no answer in time"));
}

TEST_F(ClientTest, AMethodTheDaemonDoesNotHaveIsFour) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{in, out, err, false, false};
  EXPECT_EQ(ctl::Run({"--socket", root_ / "s", "status"}, terminal), 4);
}

TEST_F(ClientTest, AServerThatWentAwayIsUnreachable) {
  server_->Shutdown();
  EXPECT_EQ(Show("x").exit, 3);
}

}  // namespace
}  // namespace seaworthy::ctl
