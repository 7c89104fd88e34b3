#include "seaworthy/modules/integrity/baseline.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "support/status_matchers.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TempRoot;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

constexpr char kRunc[] = "usr/sbin/runc";

class BaselineOfANode : public ::testing::Test {
 protected:
  BaselineOfANode() {
    Put(kRunc, "a runtime", 0755);
    Put("usr/bin/dockerd", "an engine", 0755);
    Put("etc/docker/daemon.json", "{}");
    InstallRunc("1.1.5", "a runtime");
  }

  std::string At(const std::string& path) const { return node_ + "/" + path; }
  void Put(const std::string& path, const std::string& text, mode_t mode = 0644) const {
    fs::create_directories(fs::path(At(path)).parent_path());
    WriteText(At(path), text);
    chmod(At(path).c_str(), mode);
  }
  // What dpkg says of it: a version, and the MD5 digest of this content.
  void InstallRunc(const std::string& version, const std::string& content) const {
    Put("var/lib/dpkg/status", "Package: runc\nStatus: install ok installed\nVersion: " + version +
                                   "\nConffiles:\n /etc/runc.conf " + Md5(content) + "\n");
    Put("var/lib/dpkg/info/runc.list", "/usr/sbin/runc\n/etc/runc.conf\n");
    Put("var/lib/dpkg/info/runc.md5sums", Md5(content) + "  usr/sbin/runc\n");
  }
  // As md5sum has it.
  std::string Md5(const std::string& content) const {
    WriteText(root_ / "content", content);
    EXPECT_TRUE(Runs(root_, "md5sum <content >md5"));
    return ReadText(root_ / "md5").substr(0, 32);
  }
  Baseline Record(const std::vector<std::string>& more = {}) const {
    Result<Baseline> baseline = RecordBaseline(Soon(), node_, more);
    EXPECT_THAT(baseline, IsOk());
    return baseline.ok() ? *baseline : Baseline();
  }
  std::vector<FileDrift> Compare(const Baseline& baseline) const {
    Result<std::vector<FileDrift>> drift = CompareBaseline(Soon(), node_, baseline);
    EXPECT_THAT(drift, IsOk());
    return drift.ok() ? *drift : std::vector<FileDrift>();
  }
  // "changed usr/sbin/runc: digest mode", sorted by path.
  std::vector<std::string> Told(const Baseline& baseline) const {
    std::vector<std::string> told;
    for (const FileDrift& drift : Compare(baseline)) {
      told.push_back(std::string(ToString(drift.kind)) + " " + drift.path + ":");
      for (const FileDrift::Change& change : drift.changes) told.back() += " " + change.name;
      if (!drift.why.ok()) told.back() += " " + Reason(drift.why);
    }
    return told;
  }

  TempRoot root_;
  const std::string node_ = root_ / "node";
};

TEST_F(BaselineOfANode, IsWhatOthersSayOfTheFiles) {
  ASSERT_TRUE(SetAttribute(At(kRunc), "user.origin", AsBytes("here")));
  fs::create_symlink("dockerd", At("usr/bin/docker"));
  const Baseline baseline = Record();
  EXPECT_THAT(baseline.packages, ElementsAre(Pair("runc", "1.1.5")));
  EXPECT_THAT(baseline.files, ElementsAre(Key("etc/docker/daemon.json"), Key("usr/bin/docker"),
                                          Key("usr/bin/dockerd"), Key(kRunc)));
  ASSERT_TRUE(
      Runs(root_, "sha256sum <node/usr/sbin/runc >digest && printf here | sha256sum >xattr"));
  const std::string uid = std::to_string(getuid());
  const std::string gid = std::to_string(getgid());
  EXPECT_THAT(baseline.files.at(kRunc),
              UnorderedElementsAre(
                  Pair("kind", "program"), Pair("package", "runc"), Pair("type", "file"),
                  Pair("mode", "0755"), Pair("uid", uid), Pair("gid", gid), Pair("size", "9"),
                  Pair("digest", ReadText(root_ / "digest").substr(0, 64)),
                  Pair("xattr:user.origin", "sha256:" + ReadText(root_ / "xattr").substr(0, 64))));
  EXPECT_THAT(baseline.files.at("usr/bin/docker"),
              UnorderedElementsAre(Pair("kind", "program"), Pair("type", "link"), Pair("uid", uid),
                                   Pair("gid", gid), Pair("target", "dockerd")));
  EXPECT_THAT(Told(baseline), IsEmpty());
}

TEST_F(BaselineOfANode, TellsWhatChangedByFile) {
  Put("etc/docker/key.json", "k");
  const Baseline baseline = Record();
  Put("usr/bin/dockerd", "an ENGINE", 0755);
  chmod(At("etc/docker/daemon.json").c_str(), 0666);
  fs::remove(At("etc/docker/key.json"));
  Put("etc/systemd/system/docker.service.d/override.conf", "x");
  ASSERT_TRUE(SetAttribute(At(kRunc), "user.x", AsBytes("x")));
  EXPECT_THAT(
      Told(baseline),
      ElementsAre("changed etc/docker/daemon.json: mode", "removed etc/docker/key.json:",
                  "added etc/systemd/system/docker.service.d/override.conf:",
                  "changed usr/bin/dockerd: digest", "changed usr/sbin/runc: xattr:user.x"));
  const std::vector<FileDrift> drift = Compare(baseline);
  EXPECT_THAT(drift[0].changes, ElementsAre(FileDrift::Change{"mode", "0644", "0666"}));
  EXPECT_EQ(drift[1].attributes.at("size"), "1");
  EXPECT_EQ(drift[2].attributes.at("kind"), "unit");
  EXPECT_EQ(drift[3].changes[0].before, baseline.files.at("usr/bin/dockerd").at("digest"));
  EXPECT_EQ(drift[4].changes[0].before, "");
}

// Security attributes are root's to write; without it the test has nothing to look at.
TEST_F(BaselineOfANode, SeesSecurityAttributes) {
  const Baseline baseline = Record();
  if (!SetAttribute(At(kRunc), "security.test", AsBytes("12"))) {
    ASSERT_EQ(errno, EPERM);
    return;
  }
  const std::vector<FileDrift> drift = Compare(baseline);
  ASSERT_EQ(drift.size(), 1U);
  EXPECT_THAT(drift[0].changes, ElementsAre(FileDrift::Change{"xattr:security.test", "", "3132"}));
  ASSERT_TRUE(SetAttribute(At(kRunc), "security.test", Bytes(1025, 7)));
  EXPECT_THAT(Compare(baseline)[0].changes[0].after, HasSubstr("sha256:"));
}

TEST_F(BaselineOfANode, AFileThatBecameAnotherKindOfFileIsNotOpened) {
  const Baseline baseline = Record();
  fs::remove(At(kRunc));
  ASSERT_EQ(mkfifo(At(kRunc).c_str(), 0755), 0);
  fs::remove(At("usr/bin/dockerd"));
  fs::create_symlink("/etc", At("usr/bin/dockerd"));
  fs::remove(At("etc/docker/daemon.json"));
  fs::create_directory(At("etc/docker/daemon.json"));
  Put("etc/docker/daemon.json/inside", "x");
  EXPECT_THAT(Told(baseline), ElementsAre("changed etc/docker/daemon.json: digest mode size type",
                                          "added etc/docker/daemon.json/inside:",
                                          "changed usr/bin/dockerd: digest mode size target type",
                                          "changed usr/sbin/runc: digest size type"));
}

TEST_F(BaselineOfANode, ALinkThatLeadsElsewhereIsTold) {
  fs::create_symlink("dockerd", At("usr/bin/docker"));
  const Baseline baseline = Record();
  fs::remove(At("usr/bin/docker"));
  fs::create_symlink("../sbin/runc", At("usr/bin/docker"));
  EXPECT_THAT(Told(baseline), ElementsAre("changed usr/bin/docker: target"));
}

// Who can write dpkg's lists can take a file out of them.
TEST_F(BaselineOfANode, WhatIsNoLongerFoundIsLookedAtAllTheSame) {
  Put("opt/shim", "s", 0755);
  Put("etc/docker/daemon.json", R"({"runtimes": {"x": {"path": "/opt/shim"}}})");
  const Baseline baseline = Record();
  Put("etc/docker/daemon.json", "{}");
  Put("opt/shim", "S", 0755);
  Put("var/lib/dpkg/info/runc.list", "");
  EXPECT_THAT(Told(baseline),
              ElementsAre("changed etc/docker/daemon.json: digest size", "changed opt/shim: digest",
                          "changed usr/sbin/runc: package"));
}

TEST_F(BaselineOfANode, TheOperatorsFilesAreInIt) {
  Put("srv/a/1", "1");
  EXPECT_THAT(RecordBaseline(Soon(), node_, {"srv/b"}), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  const Baseline baseline = Record({"/srv/a"});
  Put("srv/a/2", "2");
  EXPECT_THAT(Told(baseline), ElementsAre("added srv/a/2:"));
  fs::remove_all(At("srv/a"));
  EXPECT_THAT(Told(baseline), ElementsAre("removed srv/a/1:"));
}

TEST_F(BaselineOfANode, AnUpdateExplainsTheContentThatItBrought) {
  const Baseline baseline = Record();
  Put(kRunc, "a new runtime", 0755);
  EXPECT_EQ(Compare(baseline)[0].explanation, "");
  InstallRunc("1.1.6", "a new runtime");
  ASSERT_THAT(Told(baseline), ElementsAre("changed usr/sbin/runc: digest size"));
  EXPECT_EQ(Compare(baseline)[0].explanation, "update of runc from 1.1.5 to 1.1.6");
  // The signature that the old one had is gone with it; a capability is another matter.
  Baseline had = baseline;
  had.files[kRunc]["xattr:security.ima"] = "03";
  EXPECT_NE(Compare(had)[0].explanation, "");
  had.files[kRunc]["xattr:security.capability"] = "01";
  EXPECT_EQ(Compare(had)[0].explanation, "");
  // Not what the package has, and not the content alone.
  Put(kRunc, "a back door..", 0755);
  EXPECT_EQ(Compare(baseline)[0].explanation, "");
  Put(kRunc, "a new runtime", 04755);
  EXPECT_EQ(Compare(baseline)[0].explanation, "");
  // The version is the same: nobody updated anything.
  Put(kRunc, "a new runtime", 0755);
  InstallRunc("1.1.5", "a new runtime");
  EXPECT_EQ(Compare(baseline)[0].explanation, "");
}

TEST_F(BaselineOfANode, AnUpdateExplainsFilesThatItAddedAndTookAway) {
  const Baseline before = Record();
  InstallRunc("1.1.6", "a runtime");
  Put("etc/runc.conf", "a runtime");
  ASSERT_THAT(Told(before), ElementsAre("added etc/runc.conf:"));
  EXPECT_EQ(Compare(before)[0].explanation, "update of runc from 1.1.5 to 1.1.6");
  const Baseline after = Record();
  InstallRunc("1.1.7", "a runtime");
  fs::remove(At("etc/runc.conf"));
  ASSERT_THAT(Told(after), ElementsAre("removed etc/runc.conf:"));
  EXPECT_EQ(Compare(after)[0].explanation, "");  // the package still has it
  Put("var/lib/dpkg/info/runc.list", "/usr/sbin/runc\n");
  EXPECT_EQ(Compare(after)[0].explanation, "update of runc from 1.1.6 to 1.1.7");
}

TEST_F(BaselineOfANode, AbsurdFilesAreClearErrors) {
  const Baseline baseline = Record();
  ASSERT_EQ(truncate(At(kRunc).c_str(), off_t{1} << 40), 0);
  const auto recorded = RecordBaseline(Soon(), node_, {});
  EXPECT_THAT(recorded, Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(Message(recorded.status()), HasSubstr("usr/sbin/runc: it has more than 16 GiB"));
  EXPECT_THAT(Told(baseline), ElementsAre("unreadable usr/sbin/runc: UNSAFE_FILE"));
  fs::remove(At(kRunc));
  Put(std::string("etc/docker/\x1b[31m\xff%41\n"), "x");
  EXPECT_THAT(Told(baseline),
              ElementsAre("added etc/docker/%1b[31m%ff%2541%0a:", "removed usr/sbin/runc:"));
  EXPECT_THAT(Told(Record()), IsEmpty());
  EXPECT_THAT(CompareBaseline(DeadlineIn(std::chrono::seconds(0)), node_, baseline),
              Fails(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED"));
}

// As large as the file system keeps them; ext4 a block, others 64 KiB.
TEST_F(BaselineOfANode, AttributesOfStrangeSizesAndNamesAreKept) {
  const std::string name = "user." + std::string("\x01\xff", 2) + std::string(200, 'n');
  ASSERT_TRUE(SetAttribute(At(kRunc), name, {}));
  bool large = false;
  for (const std::size_t size : {65536U, 60000U, 3000U, 1500U}) {
    large = large || SetAttribute(At(kRunc), "user.large", Bytes(size, 1));
  }
  ASSERT_TRUE(large);
  const Baseline baseline = Record();
  EXPECT_TRUE(baseline.files.at(kRunc).contains("xattr:user.%01%ff" + std::string(200, 'n')));
  EXPECT_THAT(Told(baseline), IsEmpty());
  ASSERT_TRUE(SetAttribute(At(kRunc), name, AsBytes("x")));
  EXPECT_EQ(Told(baseline).size(), 1U);
}

TEST_F(BaselineOfANode, AFileThatIsWrittenMeanwhileIsToldAsThat) {
  std::atomic<bool> stop = false;
  Put(kRunc, std::string(std::size_t{8} << 20, 'x'), 0755);
  std::thread writer([&] {
    const UniqueFd fd(open(At(kRunc).c_str(), O_WRONLY | O_CLOEXEC));
    while (!stop) static_cast<void>(!pwrite(fd.get(), "y", 1, 0));
  });
  // The writer may come too late, or within one tick of the file system's clock.
  const Deadline deadline = Soon();
  Status told;
  while (told.ok() && TimeLeft(deadline).count() > 0) {
    told = RecordBaseline(Soon(), node_, {}).status();
  }
  stop = true;
  writer.join();
  EXPECT_THAT(told, Fails(Code::kAborted, "FILE_CHANGED"));
  EXPECT_THAT(Message(told), HasSubstr(kRunc));
}

// Whichever of the two is met: never what is outside.
TEST_F(BaselineOfANode, ARaceOfLinksNeverLeadsOutOfTheRoot) {
  fs::create_directories(root_ / "outside");
  WriteText(root_ / "outside/secret", "outside");
  fs::create_directory(At("etc/docker/sub"));
  Put("etc/docker/sub/secret", "inside");
  const std::string inside = Record().files.at("etc/docker/sub/secret").at("digest");
  fs::create_directory_symlink(root_ / "outside", At("etc/docker/link"));
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    while (!stop) {
      static_cast<void>(renameat2(AT_FDCWD, At("etc/docker/sub").c_str(), AT_FDCWD,
                                  At("etc/docker/link").c_str(), RENAME_EXCHANGE));
    }
  });
  int seen = 0;
  for (int i = 0; i < 300; ++i) {
    const auto baseline = RecordBaseline(Soon(), node_, {});
    if (!baseline.ok()) {
      EXPECT_THAT(baseline, Fails(Code::kNotFound, "FILE_NOT_FOUND"));
      continue;
    }
    for (const char* path : {"etc/docker/sub/secret", "etc/docker/link/secret"}) {
      const auto file = baseline->files.find(path);
      if (file == baseline->files.end()) continue;
      ++seen;
      EXPECT_EQ(file->second.at("digest"), inside);
    }
  }
  stop = true;
  swapper.join();
  EXPECT_GT(seen, 0);
}

class SignedBaseline : public BaselineOfANode {
 protected:
  Result<std::string> Sign(const Baseline& baseline) {
    return SignBaseline(baseline, key_.certificate(),
                        OneByOne([this](verify::ImaHash hash, ByteView digest) {
                          return key_.Sign(hash, digest);
                        }));
  }
  SigningKey key_{kEc};
};

TEST_F(SignedBaseline, IsReadAsItWasWritten) {
  Put(std::string("etc/docker/\xff \"%\\"), "x");
  Baseline baseline = Record({"etc/docker"});
  baseline.recorded = "today";
  baseline.node = "node \x7f\xff";
  const auto text = Sign(baseline);
  ASSERT_THAT(text, IsOk());
  for (const std::string& pem : {key_.certificate(), key_.public_key()}) {
    const auto again = OpenBaseline(*text, pem);
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(again->files, baseline.files);
    EXPECT_EQ(again->paths, baseline.paths);
    EXPECT_EQ(again->packages, baseline.packages);
    EXPECT_EQ(again->recorded, "today");
  }
}

TEST_F(SignedBaseline, OpensslTakesItsSignature) {
  for (const char* algorithm : {kEc, kRsa}) {
    SigningKey key(algorithm);
    const auto text = SignBaseline(
        Record(), key.public_key(),
        OneByOne([&](verify::ImaHash hash, ByteView digest) { return key.Sign(hash, digest); }));
    ASSERT_THAT(text, IsOk());
    WriteText(root_ / "signed", *text);
    WriteText(root_ / "public.pem", key.public_key());
    EXPECT_TRUE(
        Runs(root_,
             "tail -n 1 signed | cut -d '\"' -f 4 | tr a-f A-F | basenc -d --base16 >sig && "
             "sed '$d' signed | openssl dgst -sha256 -verify public.pem -signature sig"))
        << ReadText(root_ / "log");
  }
}

TEST_F(SignedBaseline, AnEditedOneIsRefused) {
  const std::string text = *Sign(Record());
  const SigningKey other(kEc);
  const auto invalid = Fails(Code::kPermissionDenied, "BASELINE_SIGNATURE_INVALID");
  const auto missing = Fails(Code::kPermissionDenied, "BASELINE_SIGNATURE_MISSING");
  EXPECT_THAT(OpenBaseline(text, other.certificate()), invalid);
  for (std::size_t i = 0; i < text.size(); i += 7) {
    std::string edited = text;
    edited[i] = static_cast<char>(edited[i] ^ 1);
    EXPECT_EQ(OpenBaseline(edited, key_.certificate()).status().code(), Code::kPermissionDenied)
        << i;
  }
  const std::size_t line = text.rfind('\n', text.size() - 2) + 1;
  EXPECT_THAT(OpenBaseline(" " + text, key_.certificate()), invalid);
  EXPECT_THAT(OpenBaseline("{}\n" + text.substr(line), key_.certificate()), invalid);
  EXPECT_THAT(OpenBaseline(text.substr(line), key_.certificate()), invalid);
  EXPECT_THAT(OpenBaseline("{\"signature\": \"\"}\n", key_.certificate()), invalid);
  EXPECT_THAT(
      OpenBaseline("{\"signature\": \"" + std::string(5000, 'a') + "\"}\n", key_.certificate()),
      invalid);
  for (const std::string& unsigned_text :
       {std::string(), std::string("\n"), text.substr(0, line), text + "\n", text + "{}\n"}) {
    EXPECT_THAT(OpenBaseline(unsigned_text, key_.certificate()), missing) << unsigned_text.size();
  }
  EXPECT_THAT(OpenBaseline(text, "no key"), Fails(Code::kInvalidArgument, "IMA_KEY_MALFORMED"));
}

TEST_F(SignedBaseline, AKeyThatSignsForAnotherIsSeenBeforeItIsWritten) {
  SigningKey other(kEc);
  const auto text = SignBaseline(
      Record(), key_.certificate(),
      OneByOne([&](verify::ImaHash hash, ByteView digest) { return other.Sign(hash, digest); }));
  EXPECT_THAT(text, Fails(Code::kFailedPrecondition, "IMA_KEY_MISMATCH"));
}

TEST(ParseBaseline, NamesTheFieldThatIsWrong) {
  const std::string good =
      R"({"seaworthy_baseline": 1, "hash": "sha256", "recorded": "r", "node": "n",)"
      R"( "paths": ["p"], "packages": {"a": "1"}, "files": {"f": {"type": "file"}}})";
  ASSERT_THAT(ParseBaseline(good), IsOk());
  const std::tuple<const char*, const char*, const char*> kEdits[] = {
      {"\"seaworthy_baseline\": 1", "\"seaworthy_baseline\": 2", "/seaworthy_baseline"},
      {"\"seaworthy_baseline\": 1,", "", "/seaworthy_baseline"},
      {"\"sha256\"", "\"md5\"", "/hash"},
      {"\"r\"", "7", "/recorded"},
      {"\"n\"", "null", "/node"},
      {"[\"p\"]", "{}", "/paths"},
      {"[\"p\"]", "[[]]", "/paths"},
      {"\"1\"}", "1}", "/packages/a"},
      {"{\"a\": \"1\"}", "[]", "/packages"},
      {"\"file\"", "{}", "/files/f/type"},
      {"{\"type\": \"file\"}", "\"\"", "/files/f"},
      {"\"node\": \"n\"", "\"node\": \"n\", \"more\": 1", "unknown"},
      {"}}}", "}}", "JSON"},
  };
  for (const auto& [from, to, named] : kEdits) {
    std::string text = good;
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    const auto parsed = ParseBaseline(text.replace(at, std::string_view(from).size(), to));
    EXPECT_THAT(parsed, Fails(Code::kInvalidArgument, "BASELINE_MALFORMED")) << to;
    EXPECT_THAT(Message(parsed.status()), HasSubstr(named));
  }
  for (const std::string& text : {std::string(), std::string("7"), std::string(100'000, '['),
                                  std::string("{\"a\": 1e999999}")}) {
    EXPECT_THAT(ParseBaseline(text), Fails(Code::kInvalidArgument, "BASELINE_MALFORMED"));
  }
}

}  // namespace
}  // namespace seaworthy::integrity
