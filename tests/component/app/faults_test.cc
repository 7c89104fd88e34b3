// The TPM goes away, hangs, comes back, is another.
#include <atomic>
#include <mutex>
#include <thread>

#include "app_fixture.h"

namespace seaworthy::app {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;

class Faults : public AppTest {
 protected:
  // Gone with the test, however it ends: a stopped process can be killed but not asked.
  void TearDown() override { tpm_.Resume(); }
};

TEST_F(Faults, ComesUpWithoutATpmAndTakesItUpWhenItIsThere) {
  tpm_.Kill();
  Start();
  const v1::GetStatusResponse without = GetStatus(reader_);
  EXPECT_FALSE(without.tpm().available());
  EXPECT_FALSE(without.tpm().problem().empty());
  EXPECT_EQ(CreateKey(admin_, "tls").status.error_code(), grpc::StatusCode::UNAVAILABLE);
  tpm_.Start();
  EXPECT_TRUE(Eventually([&] { return GetStatus(reader_).tpm().available(); }));
  EXPECT_TRUE(CreateKey(admin_, "tls").status.ok());
}

TEST_F(Faults, ATpmKilledAmidCallsIsUnavailableAndThenWellAgain) {
  Start();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  std::atomic<bool> stop = false;
  std::vector<std::thread> clients;
  std::mutex mutex;
  std::vector<grpc::Status> failures;
  for (int i = 0; i < 4; i++) {
    clients.emplace_back([&] {
      while (!stop) {
        const auto begun = std::chrono::steady_clock::now();
        const grpc::Status status = Sign(admin_, "tls", seconds(5)).status;
        EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(8));
        const std::lock_guard lock(mutex);
        if (!status.ok()) failures.push_back(status);
      }
    });
  }
  tpm_.Kill();
  EXPECT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return !failures.empty();
  }));
  EXPECT_FALSE(GetStatus(reader_).tpm().available());
  tpm_.Start();
  EXPECT_TRUE(Eventually([&] { return Sign(admin_, "tls").status.ok(); }));
  stop = true;
  for (std::thread& client : clients) client.join();
  for (const grpc::Status& failure : failures) {
    EXPECT_EQ(failure.error_code(), grpc::StatusCode::UNAVAILABLE) << failure.error_message();
  }
  EXPECT_TRUE(Eventually([&] { return GetStatus(reader_).tpm().available(); }));
  EXPECT_LE(Handles().transient, 1U);
  EXPECT_EQ(Handles().sessions, 0U);
}

TEST_F(Faults, ATpmThatHangsIsAnHonestDeadline) {
  Start();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  ASSERT_TRUE(GetStatus(reader_).tpm().available());
  tpm_.Pause();
  const auto begun = std::chrono::steady_clock::now();
  const Answer answer = Sign(admin_, "tls", seconds(1));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(4));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED)
      << answer.status.error_message();
  // Asking for the state must not hang with it.
  const auto asked = std::chrono::steady_clock::now();
  GetStatus(reader_);
  EXPECT_LT(std::chrono::steady_clock::now() - asked, seconds(4));
  EXPECT_TRUE(app_->Answers(DeadlineIn(seconds(2))));
  tpm_.Resume();
  EXPECT_TRUE(Eventually([&] { return Sign(admin_, "tls").status.ok(); }));
}

TEST_F(Faults, AnotherTpmIsRefusedWithWords) {
  Start();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  tpm_.Replace();
  EXPECT_TRUE(Eventually([&] { return Sign(admin_, "tls").reason == "TPM_REPLACED"; }));
  EXPECT_EQ(Sign(admin_, "tls").status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const v1::GetStatusResponse status = GetStatus(reader_);
  EXPECT_FALSE(status.tpm().available());
  EXPECT_THAT(status.tpm().problem(), HasSubstr("TPM_REPLACED"));
}

TEST_F(Faults, DrainsWithinItsTimeWhileTheTpmHangs) {
  Start();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  tpm_.Pause();
  std::thread client([&] {
    EXPECT_THAT(Sign(admin_, "tls", seconds(2)).status.error_code(),
                AnyOf(Eq(grpc::StatusCode::DEADLINE_EXCEEDED), Eq(grpc::StatusCode::CANCELLED),
                      Eq(grpc::StatusCode::UNAVAILABLE)));
  });
  const auto begun = std::chrono::steady_clock::now();
  app_->Drain(DeadlineIn(milliseconds(500)));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(15));
  client.join();
}

}  // namespace
}  // namespace seaworthy::app
