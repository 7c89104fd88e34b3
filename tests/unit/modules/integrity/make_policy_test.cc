#include "seaworthy/modules/integrity/make_policy.h"

#include <gmock/gmock.h>
#include <sys/xattr.h>

#include <filesystem>

#include "support/status_matchers.h"
#include "unit/modules/integrity/policies.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr FsUuid kRoot = {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                          0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11};
constexpr FsUuid kDocker = {0xd0, 0xd0, 0xd0, 0xd0, 0xd0, 0xd0, 0xd0, 0xd0,
                            0xd0, 0xd0, 0xd0, 0xd0, 0xd0, 0xd0, 0xd0, 0xd0};
constexpr char kOnRoot[] = "fsuuid=11111111-1111-1111-1111-111111111111";
constexpr char kOnDocker[] = "fsuuid=d0d0d0d0-d0d0-d0d0-d0d0-d0d0d0d0d0d0";

std::string Shipped(const std::string& name) {
  const std::string text = ReadText(SOURCE_DIR "/policies/ima/" + name);
  EXPECT_FALSE(text.empty()) << name;
  return text;
}

PolicyNode::File Program(const std::string& path, const FsUuid& uuid,
                         const std::string& type = "") {
  return {
      path, true, {.fsuuid = uuid, .fsname = "ext4", .object = type.empty() ? "" : "u:r:" + type}};
}
PolicyNode::File Configuration(const std::string& path, const std::string& type = "") {
  PolicyNode::File file = Program(path, kRoot, type);
  file.program = false;
  return file;
}

// A node as Debian has it, without SELinux.
PolicyNode Plain() {
  return {.files = {Program("usr/sbin/dockerd", kRoot), Configuration("etc/docker/daemon.json")},
          .shared_types = {},
          .system = {kRoot}};
}
// With SELinux, and with types for Docker.
PolicyNode Labelled() {
  return {.files = {Program("usr/sbin/dockerd", kRoot, "container_runtime_exec_t:s0"),
                    Program("usr/sbin/runc", kRoot, "container_runtime_exec_t:s0"),
                    Program("usr/bin/docker", kRoot, "bin_t:s0"),
                    Configuration("etc/docker/daemon.json", "container_config_t:s0:c1,c2"),
                    Configuration("etc/default/docker", "etc_t:s0")},
          .shared_types = {"bin_t", "etc_t", "var_log_t"},
          .system = {kRoot}};
}

// The rules of a policy, without those of the pseudo file systems.
std::vector<std::string> Rules(const Result<std::string>& text) {
  EXPECT_THAT(text, IsOk());
  std::vector<std::string> rules;
  if (!text.ok()) return rules;
  const ImaPolicy policy = Parsed(*text);
  EXPECT_THAT(FindInImaPolicy(policy), IsEmpty()) << *text;
  for (const ImaRule& rule : policy.rules) {
    if (!rule.fsmagic) rules.push_back(FormatImaRule(rule));
  }
  return rules;
}

std::vector<std::string> Made(const std::string& name, const PolicyNode& node,
                              const MakePolicyOptions& options = {}) {
  return Rules(MakeImaPolicy(Shipped(name), node, options));
}

constexpr char kKeys[] = "measure func=KEY_CHECK keyrings=.ima|_ima|.evm|_evm";

TEST(MakePolicy, MeasuresProgramsByTheirFileSystems) {
  PolicyNode node = Plain();
  node.files.push_back(Program("opt/containerd/bin/runc", kDocker));
  const std::string on_root = kOnRoot;
  const std::string on_docker = kOnDocker;
  EXPECT_THAT(
      Made("measure", node),
      ElementsAre("dont_measure fsname=overlay", "measure func=BPRM_CHECK mask=MAY_EXEC " + on_root,
                  "measure func=BPRM_CHECK mask=MAY_EXEC " + on_docker,
                  "measure func=MMAP_CHECK mask=MAY_EXEC " + on_root,
                  "measure func=MMAP_CHECK mask=MAY_EXEC " + on_docker, "measure func=MODULE_CHECK",
                  "measure func=KEXEC_KERNEL_CHECK", "measure func=POLICY_CHECK", kKeys));
  EXPECT_THAT(
      Made("minimal", node),
      ElementsAre("dont_measure fsname=overlay", "measure func=BPRM_CHECK mask=MAY_EXEC " + on_root,
                  "measure func=BPRM_CHECK mask=MAY_EXEC " + on_docker,
                  "measure func=POLICY_CHECK"));
}

TEST(MakePolicy, TakesTypesThatOnlyDockersFilesHave) {
  const auto measure = Made("measure", Labelled());
  EXPECT_THAT(measure, ::testing::Contains("measure func=FILE_CHECK mask=MAY_READ uid=0 "
                                           "obj_type=container_config_t"));
  EXPECT_THAT(measure, Not(::testing::Contains(HasSubstr("etc_t"))));
  EXPECT_THAT(Made("minimal", Labelled()),
              ElementsAre("dont_measure fsname=overlay",
                          "measure func=BPRM_CHECK mask=MAY_EXEC obj_type=container_runtime_exec_t",
                          std::string("measure func=BPRM_CHECK mask=MAY_EXEC ") + kOnRoot,
                          "measure func=POLICY_CHECK"));
  PolicyNode typed = Labelled();
  std::erase_if(typed.files, [](const auto& file) { return file.path == "usr/bin/docker"; });
  EXPECT_THAT(Made("minimal", typed), Not(::testing::Contains(HasSubstr("fsuuid"))));
}

std::vector<std::string> Appraising(const PolicyNode& node, const MakePolicyOptions& options = {}) {
  std::vector<std::string> rules = Made("appraise", node, options);
  std::erase_if(rules, [](const std::string& rule) { return !rule.starts_with("appraise "); });
  return rules;
}

TEST(MakePolicy, AppraisesWhatIsDockersAlone) {
  EXPECT_THAT(
      Appraising(Labelled()),
      ElementsAre("appraise func=BPRM_CHECK obj_type=container_runtime_exec_t appraise_type=imasig",
                  "appraise func=MMAP_CHECK mask=MAY_EXEC obj_type=container_runtime_exec_t "
                  "appraise_type=imasig"));
  PolicyNode node = Plain();
  node.files.push_back(Program("opt/containerd/bin/runc", kDocker));
  const std::string on_docker = kOnDocker;
  EXPECT_THAT(
      Appraising(node),
      ElementsAre("appraise func=BPRM_CHECK " + on_docker + " appraise_type=imasig",
                  "appraise func=MMAP_CHECK mask=MAY_EXEC " + on_docker + " appraise_type=imasig"));
}

// M-66: it would deny the shell.
TEST(MakePolicy, AppraisesTheNodesOwnFileSystemsOnlyWhenTold) {
  EXPECT_THAT(MakeImaPolicy(Shipped("appraise"), Plain(), {}),
              Fails(Code::kFailedPrecondition, "NOTHING_TO_APPRAISE"));
  // A file system that no rule can tell from the node's own is the node's own.
  PolicyNode without_uuid = Plain();
  without_uuid.files.push_back(Program("opt/containerd/bin/runc", FsUuid{}));
  EXPECT_THAT(MakeImaPolicy(Shipped("appraise"), without_uuid, {}),
              Fails(Code::kFailedPrecondition, "NOTHING_TO_APPRAISE"));
  const auto all = Appraising(Plain(), {.appraise_all_programs = true});
  ASSERT_EQ(all.size(), 2);
  EXPECT_THAT(all[0], HasSubstr(kOnRoot));
}

TEST(MakePolicy, FileSystemsWithoutUuidGoByTheirKind) {
  PolicyNode node = Plain();
  for (auto& file : node.files) {
    file.conditions.fsuuid = {};
    file.conditions.fsname = "squashfs";
  }
  EXPECT_THAT(Made("minimal", node),
              ::testing::Contains("measure func=BPRM_CHECK mask=MAY_EXEC fsname=squashfs"));
}

// M-65: a label is bytes that somebody wrote.
TEST(MakePolicy, HostileLabelsMakeNoRules) {
  for (const std::string type :
       {"a_t\nmeasure", "a_t measure", "@PROGRAM_TYPE@", "a|b", "", "\xff"}) {
    PolicyNode node = Plain();
    node.files.push_back(Program("usr/sbin/runc", kRoot, type + ":s0"));
    node.files.push_back(Configuration("etc/docker/x", type + ":s0"));
    EXPECT_EQ(Made("measure", node), Made("measure", Plain())) << type;
    EXPECT_EQ(Made("minimal", node), Made("minimal", Plain())) << type;
  }
}

TEST(MakePolicy, WantsProgramsAndATemplate) {
  PolicyNode node = Plain();
  node.files.erase(node.files.begin());
  EXPECT_THAT(MakeImaPolicy(Shipped("measure"), node, {}),
              Fails(Code::kFailedPrecondition, "NO_PROGRAMS"));
  for (const std::string text : {"# one\nmeasure @PROGRAM_TYP@\n", "# one\nmeasure @PROGRAM_TYPE\n",
                                 "# one\nmesure @PROGRAM_FILE_SYSTEM@\n"}) {
    const auto made = MakeImaPolicy(text, Plain(), {});
    EXPECT_THAT(made, Fails(Code::kInvalidArgument, "IMA_POLICY_MALFORMED"));
    EXPECT_THAT(Message(made.status()), HasSubstr("line 2"));
  }
}

TEST(LookAtNode, SeesWhatIsThere) {
  const testing::TempRoot root;
  for (const char* folder : {"usr/sbin", "etc/docker", "var/log", "sys/fs/selinux"}) {
    std::filesystem::create_directories(root / folder);
  }
  WriteText(root / "usr/sbin/dockerd", "x");
  WriteText(root / "etc/docker/daemon.json", "{}");
  std::filesystem::create_symlink("dockerd", root / "usr/sbin/link");
  const std::vector<InstalledFile> files = {
      {"etc/docker/daemon.json", InstalledKind::kConfiguration, "", ""},
      {"usr/sbin/dockerd", InstalledKind::kProgram, "docker.io", ""},
      {"usr/sbin/link", InstalledKind::kProgram, "", "dockerd"}};
  const auto plain = LookAtNode(root.path(), files);
  ASSERT_THAT(plain, IsOk());
  ASSERT_EQ(plain->files.size(), 2);
  EXPECT_FALSE(plain->files[0].program);
  EXPECT_TRUE(plain->files[1].program);
  EXPECT_FALSE(plain->files[1].conditions.fsname.empty());
  EXPECT_THAT(plain->system, ElementsAre(plain->files[1].conditions.fsuuid));
  const auto label = [&](const std::string& path, const std::string& text) {
    return setxattr((root / path).c_str(), "security.selinux", text.c_str(), text.size() + 1, 0);
  };
  // Without CAP_SYS_ADMIN nobody writes labels.
  if (label("usr/sbin/dockerd", "u:r:dockerd_exec_t:s0") != 0) return;
  // Of a folder of others, of a neighbour, of a folder in one of others, of one beside.
  for (const char* path :
       {"usr/sbin/mount", "var/lib/database", "etc/docker/key", "etc/docker/file"}) {
    std::filesystem::create_directories(std::filesystem::path(root / path).parent_path());
  }
  WriteText(root / "usr/sbin/mount", "x");
  WriteText(root / "etc/docker/file", "x");
  std::filesystem::create_directory(root / "var/lib/database");
  std::filesystem::create_directory(root / "etc/docker/key");
  ASSERT_EQ(label("var/log", "u:r:var_log_t:s0"), 0);
  ASSERT_EQ(label("usr/sbin/mount", "u:r:mount_exec_t:s0"), 0);
  ASSERT_EQ(label("var/lib/database", "u:r:database_t:s0"), 0);
  ASSERT_EQ(label("etc/docker/key", "u:r:key_t:s0"), 0);
  ASSERT_EQ(label("etc/docker/file", "u:r:file_t:s0"), 0);
  // Labels on the disk of a node that has no SELinux are none.
  EXPECT_EQ(LookAtNode(root.path(), files)->files[1].conditions.object, "");
  WriteText(root / "sys/fs/selinux/enforce", "1");
  const auto labelled = LookAtNode(root.path(), files);
  ASSERT_THAT(labelled, IsOk());
  EXPECT_EQ(labelled->files[1].conditions.object, "u:r:dockerd_exec_t:s0");
  EXPECT_THAT(labelled->shared_types,
              ::testing::IsSupersetOf({"var_log_t", "mount_exec_t", "database_t", "file_t"}));
  for (const char* own : {"dockerd_exec_t", "key_t"}) {
    EXPECT_THAT(labelled->shared_types, Not(::testing::Contains(own)));
  }
}

}  // namespace
}  // namespace seaworthy::integrity
