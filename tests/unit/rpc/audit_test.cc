#include "seaworthy/rpc/audit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "seaworthy/log.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::rpc {
namespace {

using testing::Fails;
using testing::IsOk;

AuditRecord Record(const std::string& target) {
  AuditRecord record;
  record.time =
      std::chrono::system_clock::time_point(std::chrono::microseconds(1'700'000'000'000'042));
  record.request_id = "0123456789abcdef";
  record.role = Role::kOperator;
  record.peer = "uid=0 pid=4711";
  record.method = "seaworthy.v1.KeyService/Sign";
  record.target = target;
  record.outcome = "failed";
  record.code = "NOT_FOUND";
  record.reason = "KEY_NOT_FOUND";
  record.message = "there is no key of that name";
  return record;
}

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class AuditTest : public ::testing::Test {
 protected:
  AuditTest() { SetLogLevel(Level::kError); }
  std::unique_ptr<AuditLog> Open() {
    Result<std::unique_ptr<AuditLog>> log = AuditLog::Open(path_);
    EXPECT_THAT(log, IsOk());
    return *std::move(log);
  }

  testing::TempRoot root_;
  const std::string path_ = root_ / "audit.jsonl";
};

TEST_F(AuditTest, ARecordIsOneLineOfJson) {
  ASSERT_THAT(Open()->Write(Record("tls")), IsOk());
  EXPECT_THAT(Lines(path_),
              ::testing::ElementsAre(
                  R"({"time":"2023-11-14T22:13:20.000042Z","request_id":"0123456789abcdef",)"
                  R"("role":"OPERATOR","peer":"uid=0 pid=4711",)"
                  R"("method":"seaworthy.v1.KeyService/Sign","target":"tls","outcome":"failed",)"
                  R"("code":"NOT_FOUND","reason":"KEY_NOT_FOUND",)"
                  R"("message":"there is no key of that name"})"));
}

TEST_F(AuditTest, ForeignTextStaysInItsFieldAndLine) {
  const std::string hostile =
      "a\"}\n{\"outcome\":\"ok\x00\xff\xc3"
      "b";
  ASSERT_THAT(Open()->Write(Record(hostile + std::string(100'000, 'x'))), IsOk());
  const std::vector<std::string> lines = Lines(path_);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_LT(lines[0].size(), 3000U);
  const nlohmann::json json = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(json["outcome"], "failed");
  EXPECT_THAT(json["target"].get<std::string>(), ::testing::StartsWith("a\"}\n{\"outcome\":\"ok"));
}

TEST_F(AuditTest, FileIsPrivateAndAppendedTo) {
  ASSERT_THAT(Open()->Write(Record("one")), IsOk());
  ASSERT_THAT(Open()->Write(Record("two")), IsOk());
  EXPECT_EQ(Lines(path_).size(), 2U);
  struct stat stat = {};
  ASSERT_EQ(lstat(path_.c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777U, 0600U);
}

TEST_F(AuditTest, RefusesALinkAndAnythingThatIsNoFile) {
  std::ofstream(root_ / "other") << "precious\n";
  std::filesystem::create_symlink(root_ / "other", path_);
  EXPECT_THAT(AuditLog::Open(path_), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(AuditLog::Open(root_ / "fifo"), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

TEST_F(AuditTest, ATornLineOfAnEarlierLifeDoesNotSpoilTheNext) {
  std::ofstream(path_) << "{\"time\":\"20";
  ASSERT_THAT(Open()->Write(Record("next")), IsOk());
  const std::vector<std::string> lines = Lines(path_);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(lines[1])["target"], "next");
}

// A file size limit stands in for a full disk: the write is cut short, the next one fails.
TEST_F(AuditTest, AFullDiskIsAnErrorAndTheNextLineIsWhole) {
  const std::unique_ptr<AuditLog> log = Open();
  ASSERT_THAT(log->Write(Record("one")), IsOk());
  signal(SIGXFSZ, SIG_IGN);
  rlimit usual = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &usual), 0);
  rlimit full = usual;
  full.rlim_cur = std::filesystem::file_size(path_) + 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const Status cut = log->Write(Record("two"));
  const Status none = log->Write(Record("three"));
  const Status health = log->health();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &usual), 0);
  EXPECT_THAT(cut, Fails(Code::kUnavailable, "AUDIT_FAILED"));
  EXPECT_THAT(none, Fails(Code::kUnavailable, "AUDIT_FAILED"));
  EXPECT_THAT(health, Fails(Code::kUnavailable, "AUDIT_FAILED"));
  EXPECT_THAT(log->Write(Record("four")), IsOk());
  EXPECT_THAT(log->health(), IsOk());
  const std::vector<std::string> lines = Lines(path_);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(lines[2])["target"], "four");
}

TEST_F(AuditTest, ReopenFollowsRotationAndKeepsTheOldFileOnError) {
  const std::unique_ptr<AuditLog> log = Open();
  ASSERT_THAT(log->Write(Record("one")), IsOk());
  std::filesystem::rename(path_, path_ + ".1");
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(log->Reopen().ok());
  ASSERT_THAT(log->Write(Record("two")), IsOk());
  std::filesystem::remove(path_);
  ASSERT_THAT(log->Reopen(), IsOk());
  ASSERT_THAT(log->Write(Record("three")), IsOk());
  EXPECT_EQ(Lines(path_ + ".1").size(), 2U);
  EXPECT_EQ(Lines(path_).size(), 1U);
}

TEST_F(AuditTest, ManyWritersKeepLinesWhole) {
  const std::unique_ptr<AuditLog> log = Open();
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; i++) {
    writers.emplace_back([&] {
      for (int j = 0; j < 50; j++) EXPECT_THAT(log->Write(Record("t")), IsOk());
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::vector<std::string> lines = Lines(path_);
  EXPECT_EQ(lines.size(), 400U);
  for (const std::string& line : lines) EXPECT_EQ(nlohmann::json::parse(line)["target"], "t");
}

}  // namespace
}  // namespace seaworthy::rpc
