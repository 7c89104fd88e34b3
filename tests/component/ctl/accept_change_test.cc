// A baseline takes over what transactions of the engine's configuration did, as an operator has it
// done: files and history are written as a transaction writes them.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "component/ctl/node.h"
#include "modules/docker/hardening/config_files.h"
#include "modules/docker/hardening/engine_command.h"
#include "modules/docker/hardening/journal.h"
#include "support/status_matchers.h"

namespace seaworthy::testing {
namespace {

using docker::FileChange;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kConfig[] = "/etc/docker/daemon.json";
constexpr char kOld[] = "{}";
constexpr char kNew[] = R"({"icc": false})";
constexpr char kNewer[] = R"({"icc": false, "live-restore": true})";

class AcceptChangeProgram : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    node_ = new Node;
    for (const char* name : {"files", "other"}) {
      EXPECT_EQ(node_->Ctl({"key", "create", name}).exit, 0);
    }
    std::ofstream(File("files.pem")) << node_->Ctl({"key", "public", "files"}).out;
  }
  static void TearDownTestSuite() {
    delete node_;
    node_ = nullptr;
  }
  AcceptChangeProgram() {
    std::filesystem::remove_all(Tree());
    Write("/usr/sbin/runc", "a runtime");
    Write(kConfig, kOld);
    Record();
  }

  static std::string File(std::string_view name) { return *node_ / name; }
  static std::string Tree() { return File("tree"); }
  static void Write(const std::string& path, const std::string& text) {
    EXPECT_THAT(docker::PutConfigFile(Tree() + path, text), IsOk());
  }
  static void Record() {
    const Ran ran = node_->Ctl({"integrity", "record-baseline", "--key", "files", "--root", Tree(),
                                "--out", File("baseline")});
    EXPECT_EQ(ran.exit, 0) << ran.err;
  }
  // Ends so, and leaves the files as it wanted them.
  static void Transact(const std::string& id, std::vector<FileChange> files,
                       const std::string& result = "applied", const std::string& kind = "apply") {
    for (const FileChange& file : files) {
      EXPECT_THAT(docker::PutConfigFile(Tree() + file.path, file.after), IsOk());
    }
    docker::Transaction transaction;
    transaction.id = id;
    transaction.kind = kind;
    transaction.result = result;
    transaction.files = std::move(files);
    const auto journal = docker::Journal::Open(Tree() + docker::kHardeningState);
    ASSERT_THAT(journal, IsOk());
    EXPECT_THAT(journal->End(transaction), IsOk());
  }
  static Ran Compare() {
    return node_->Ctl({"integrity", "compare-baseline", File("baseline"), "--root", Tree(),
                       "--certificate", File("files.pem")});
  }
  static Ran Accept(const Words& more = {"--yes"}, const std::string& key = "files") {
    Words words = {"integrity", "accept-change", File("baseline"), "--root", Tree(), "--key", key};
    words.insert(words.end(), more.begin(), more.end());
    return node_->Ctl(words);
  }
  // Whether it did. Of files that are not root's nothing is accepted.
  static bool Accepts(const Ran& ran) {
    if (geteuid() == 0) return ran.exit == 0;
    return ran.exit == 1 && ran.out.find("it is not root's [ATTRIBUTES_DIFFER]") != ran.out.npos;
  }
  static nlohmann::json Baseline(std::string_view name = "baseline") {
    const std::string text = Content(File(name));
    return nlohmann::json::parse(text.substr(0, text.rfind("{\"signature\"")), nullptr, false);
  }

  static Node* node_;
};

Node* AcceptChangeProgram::node_ = nullptr;

TEST_F(AcceptChangeProgram, AllThatAnApplyWritesIsInTheBaseline) {
  std::vector<std::string> paths = {docker::DropInPath("docker.service"), docker::kSitePolicyFile};
  for (const char* folder : docker::kProfileFolders) {
    paths.push_back(std::string(folder) + "/a.json");
  }
  for (const std::string& path : paths) Write(path, "x");
  Record();
  const nlohmann::json files = Baseline()["files"];
  paths.push_back(kConfig);
  for (const std::string& path : paths) EXPECT_TRUE(files.contains(path.substr(1))) << path;
}

TEST_F(AcceptChangeProgram, TakesOverWhatAnApplyDidAndNothingElse) {
  const std::string drop_in = docker::DropInPath("docker.service");
  const std::string text = Content(File("baseline"));
  const nlohmann::json before = Baseline();
  Transact("1-a", {{drop_in, {}, "[Service]\n"}, {kConfig, kOld, kNew}});
  const Ran compared = Compare();
  EXPECT_EQ(compared.exit, 1);
  EXPECT_EQ(compared.err, "");
  if (geteuid() == 0) {
    EXPECT_THAT(compared.out, HasSubstr("as transaction 1-a left it; accept-change takes it over"));
  }
  const Ran unasked = Accept({});
  EXPECT_NE(unasked.exit, 0);
  EXPECT_EQ(Content(File("baseline")), text);

  const Ran accepted = Accept();
  ASSERT_TRUE(Accepts(accepted)) << accepted.out << accepted.err;
  if (geteuid() != 0) return;
  EXPECT_THAT(accepted.out, HasSubstr("changed  etc/docker/daemon.json  (configuration)"));
  EXPECT_THAT(accepted.out, HasSubstr("added  " + drop_in.substr(1) +
                                      "  (unit)\n"
                                      "  as transaction 1-a left it\n"));
  EXPECT_THAT(accepted.out, HasSubstr("2 taken over into " + File("baseline")));
  const Ran again = Compare();
  EXPECT_EQ(again.exit, 0) << again.out << again.err;
  nlohmann::json after = Baseline();
  EXPECT_TRUE(after["files"].contains(drop_in.substr(1)));
  EXPECT_NE(after["files"][kConfig + 1]["digest"], before["files"][kConfig + 1]["digest"]);
  after["files"].erase(drop_in.substr(1));
  after["files"][kConfig + 1] = before["files"][kConfig + 1];
  EXPECT_EQ(after, before);
  EXPECT_THAT(Accept().out, HasSubstr("nothing has drifted"));
}

TEST_F(AcceptChangeProgram, AnyOtherDriftIsRefusedAndNothingIsWritten) {
  const std::string text = Content(File("baseline"));
  Transact("1-a", {{kConfig, kOld, kNew}});
  Write("/usr/sbin/runc", "a back door");
  const Ran refused = Accept();
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.err, HasSubstr("DRIFT_REFUSED"));
  EXPECT_THAT(refused.out, HasSubstr("changed  usr/sbin/runc"));
  EXPECT_THAT(refused.out, HasSubstr("no transaction has to do with it [FOREIGN_DRIFT]"));
  const Ran json = Accept({"--yes", "--output", "json"});
  EXPECT_EQ(json.exit, 1);
  const auto answer = nlohmann::json::parse(json.out, nullptr, false);
  ASSERT_EQ(answer["drift"].size(), 2U) << json.out;
  EXPECT_EQ(answer["drift"][0]["transaction"], "1-a");
  EXPECT_EQ(answer["drift"][1]["path"], "usr/sbin/runc");
  EXPECT_EQ(answer["drift"][1]["refused"]["reason"], "FOREIGN_DRIFT");
  // Not as it was left, or by one that came to nothing.
  Write("/usr/sbin/runc", "a runtime");
  Write(kConfig, kNewer);
  EXPECT_THAT(Accept().out, HasSubstr("it is not as transaction 1-a left it [CONTENT_DIFFERS]"));
  EXPECT_THAT(Compare().out, Not(HasSubstr("transaction")));
  Transact("2-b", {{kConfig, kNew, kNewer}}, "restored");
  EXPECT_THAT(Accept().out, HasSubstr("[CONTENT_DIFFERS]"));
  EXPECT_EQ(Content(File("baseline")), text);
}

TEST_F(AcceptChangeProgram, SeveralAreTakenOverUpToTheOneThatIsNamed) {
  const std::string text = Content(File("baseline"));
  Transact("1-a", {{kConfig, kOld, kNew}});
  Transact("2-b", {{kConfig, kNew, kNewer}});
  EXPECT_THAT(Accept({"--yes", "--transaction", "1-a"}).out, HasSubstr("[CONTENT_DIFFERS]"));
  const Ran unknown = Accept({"--yes", "--transaction", "3-c"});
  EXPECT_EQ(unknown.exit, 2);
  EXPECT_THAT(unknown.err, HasSubstr("3-c is no transaction that was applied"));
  const Ran accepted = Accept({"--yes", "--out", File("new")});
  ASSERT_TRUE(Accepts(accepted)) << accepted.out << accepted.err;
  EXPECT_EQ(Content(File("baseline")), text);
  if (geteuid() != 0) return;
  std::filesystem::rename(File("new"), File("baseline"));
  EXPECT_EQ(Compare().exit, 0);
  Transact("3-c", {{kConfig, kNewer, {}}}, "applied", "roll-back");
  const Ran json = Accept({"--yes", "--output", "json"});
  EXPECT_EQ(json.exit, 0) << json.err;
  const auto answer = nlohmann::json::parse(json.out, nullptr, false);
  EXPECT_EQ(answer["drift"][0]["drift"], "removed");
  EXPECT_EQ(answer["drift"][0]["transaction"], "3-c");
  EXPECT_FALSE(Baseline()["files"].contains(kConfig + 1));
  EXPECT_EQ(Compare().exit, 0);
}

TEST_F(AcceptChangeProgram, WhatTheKeyDidNotSignIsNotRead) {
  Transact("1-a", {{kConfig, kOld, kNew}});
  const Ran other = Accept({"--yes"}, "other");
  EXPECT_EQ(other.exit, 1);
  EXPECT_THAT(other.err, HasSubstr("BASELINE_SIGNATURE_INVALID"));
  std::string text = Content(File("baseline"));
  const std::size_t mode = text.find("\"0644\"");
  ASSERT_NE(mode, std::string::npos);
  std::ofstream(File("baseline")) << text.replace(mode, 6, "\"0666\"");
  const Ran edited = Accept();
  EXPECT_EQ(edited.exit, 1);
  EXPECT_EQ(edited.out, "");
  EXPECT_EQ(Content(File("baseline")), text);
}

TEST_F(AcceptChangeProgram, AHistoryThatCannotBeReadIsTold) {
  Transact("1-a", {{kConfig, kOld, kNew}});
  std::ofstream(Tree() + docker::kHardeningState + "/history/2-b.json") << "{";
  const Ran accepted = Accept();
  EXPECT_EQ(accepted.exit, 4);
  EXPECT_THAT(accepted.err, HasSubstr("JOURNAL_MALFORMED"));
  const Ran compared = Compare();
  EXPECT_EQ(compared.exit, 1);
  EXPECT_THAT(compared.err, HasSubstr("which transactions there were is not known"));
  const Ran elsewhere = Accept({"--yes", "--state", "/srv/none"});
  EXPECT_THAT(elsewhere.out, HasSubstr("[FOREIGN_DRIFT]"));
}

}  // namespace
}  // namespace seaworthy::testing
