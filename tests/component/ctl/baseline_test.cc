// The baseline as an operator records and compares it; openssl says whether the TPM signed it.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "component/ctl/node.h"

namespace seaworthy::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class BaselineProgram : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    node_ = new Node;
    for (const char* name : {"files", "other"}) {
      EXPECT_EQ(node_->Ctl({"key", "create", name}).exit, 0);
    }
    std::ofstream(File("files.pem")) << node_->Ctl({"key", "public", "files"}).out;
    std::ofstream(File("other.pem")) << node_->Ctl({"key", "public", "other"}).out;
  }
  static void TearDownTestSuite() {
    delete node_;
    node_ = nullptr;
  }
  BaselineProgram() {
    std::filesystem::remove_all(Tree());
    Write("usr/sbin/runc", "a runtime");
    Write("etc/docker/daemon.json", "{}");
  }
  static std::string File(std::string_view name) { return *node_ / name; }
  static std::string Tree() { return File("tree"); }
  static void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = Tree() + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    chmod(file.c_str(), 0755);
  }
  static Ran Record(const Words& more = {}) {
    Words words = {"integrity", "record-baseline", "--key",         "files", "--root",
                   Tree(),      "--out",           File("baseline")};
    words.insert(words.end(), more.begin(), more.end());
    return node_->Ctl(words);
  }
  static Ran Compare(const Words& by = {"--certificate", File("files.pem")}) {
    Words words = {"integrity", "compare-baseline", File("baseline"), "--root", Tree()};
    words.insert(words.end(), by.begin(), by.end());
    return node_->Ctl(words);
  }

  static Node* node_;
};

Node* BaselineProgram::node_ = nullptr;

TEST_F(BaselineProgram, TellsWhichFileIsNoLongerWhatWasRecorded) {
  const Ran recorded = Record();
  ASSERT_EQ(recorded.exit, 0) << recorded.err;
  EXPECT_THAT(recorded.out, HasSubstr("recorded 2 files"));
  EXPECT_EQ(Compare().exit, 0);
  EXPECT_EQ(Compare({"--key", "files"}).exit, 0);
  Write("usr/sbin/runc", "a back door");
  Write("etc/systemd/system/docker.service.d/x.conf", "[Service]");
  const Ran compared = Compare({"--key", "files"});
  EXPECT_EQ(compared.exit, 1);
  EXPECT_EQ(compared.err, "");
  EXPECT_THAT(compared.out, ContainsRegex("changed  usr/sbin/runc  \\(program\\)\n"
                                          "  digest: [0-9a-f]+ -> [0-9a-f]+\n"
                                          "  size: 9 -> 11\n"));
  EXPECT_THAT(compared.out, HasSubstr("added  etc/systemd/system/docker.service.d/x.conf  (unit)"));
  EXPECT_THAT(compared.out, HasSubstr("2 drifted, 0 of them explained"));
  ASSERT_EQ(Record().exit, 0);  // replaces it
  EXPECT_EQ(Compare().exit, 0);
}

TEST_F(BaselineProgram, AnswersScriptsInJson) {
  const auto recorded =
      nlohmann::json::parse(Record({"--output", "json", "--add", "usr"}).out, nullptr, false);
  EXPECT_EQ(recorded["files"], 2);
  EXPECT_EQ(recorded["baseline"], File("baseline"));
  std::filesystem::remove(Tree() + "/etc/docker/daemon.json");
  Write("usr/more", "x");
  const Ran compared = Compare({"--certificate", File("files.pem"), "--output", "json"});
  EXPECT_EQ(compared.exit, 1);
  const auto answer = nlohmann::json::parse(compared.out, nullptr, false);
  EXPECT_EQ(answer["files"], 2);
  ASSERT_EQ(answer["drift"].size(), 2U) << compared.out;
  EXPECT_EQ(answer["drift"][0]["path"], "etc/docker/daemon.json");
  EXPECT_EQ(answer["drift"][0]["drift"], "removed");
  EXPECT_EQ(answer["drift"][1]["attributes"]["size"], "1");
  EXPECT_EQ(answer["drift"][1]["explanation"], "");
}

TEST_F(BaselineProgram, AnEditedOneIsRefused) {
  ASSERT_EQ(Record().exit, 0);
  const std::string file = File("baseline");
  std::string text = Content(file);
  ASSERT_EQ(RunProgram({"sh", "-c",
                        "cd " + File("") +
                            " && tail -n 1 baseline | cut -d '\"' -f 4 | tr a-f A-F | "
                            "basenc -d --base16 >signature && sed '$d' baseline | "
                            "openssl dgst -sha256 -verify files.pem -signature signature"})
                .exit,
            0);
  const Ran other = Compare({"--certificate", File("other.pem")});
  EXPECT_EQ(other.exit, 1);
  EXPECT_THAT(other.err, HasSubstr("BASELINE_SIGNATURE_INVALID"));
  EXPECT_EQ(Compare({"--key", "other"}).exit, 1);
  const std::size_t mode = text.find("\"0755\"");
  ASSERT_NE(mode, std::string::npos);
  std::ofstream(file) << text.replace(mode, 6, "\"0777\"");
  const Ran edited = Compare();
  EXPECT_EQ(edited.exit, 1);
  EXPECT_EQ(edited.out, "");
  EXPECT_THAT(edited.err, HasSubstr("BASELINE_SIGNATURE_INVALID"));
  std::ofstream(file) << text.substr(0, text.size() / 2);
  EXPECT_THAT(Compare().err, HasSubstr("BASELINE_SIGNATURE_MISSING"));
}

TEST_F(BaselineProgram, WrongUsageAndWhatCannotBeReadAreTold) {
  ASSERT_EQ(Record().exit, 0);
  const std::string before = Content(File("baseline"));
  EXPECT_EQ(Compare({}).exit, 2);
  EXPECT_EQ(Compare({"--key", "files", "--certificate", File("files.pem")}).exit, 2);
  EXPECT_EQ(Compare({"--certificate", File("none.pem")}).exit, 2);
  const Ran no_key = Compare({"--certificate", File("config.toml")});
  EXPECT_EQ(no_key.exit, 2);
  EXPECT_THAT(no_key.err, HasSubstr(File("config.toml")));
  EXPECT_EQ(Compare({"--key", "nobody"}).exit, 4);
  const Ran missing = Record({"--add", "srv/none"});
  EXPECT_EQ(missing.exit, 4);
  EXPECT_THAT(missing.err, HasSubstr("srv/none"));
  ASSERT_EQ(truncate((Tree() + "/usr/sbin/runc").c_str(), off_t{1} << 40), 0);
  const Ran absurd = Record();
  EXPECT_EQ(absurd.exit, 4);
  EXPECT_THAT(absurd.err, HasSubstr("usr/sbin/runc: it has more than 16 GiB"));
  const Ran compared = Compare();
  EXPECT_EQ(compared.exit, 1);
  EXPECT_THAT(compared.out, HasSubstr("unreadable  usr/sbin/runc"));
  EXPECT_EQ(Content(File("baseline")), before);
  EXPECT_EQ(Record({"--root", File("none")}).exit, 2);  // --root is there twice
  EXPECT_EQ(node_->Ctl({"integrity", "record-baseline", "--key", "files"}).exit, 2);
}

}  // namespace
}  // namespace seaworthy::testing
