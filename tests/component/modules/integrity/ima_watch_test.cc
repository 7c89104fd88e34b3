// The IMA list followed, with the TPM real and the kernel's part done here.
#include "modules/integrity/ima_watch.h"

#include <poll.h>

#include <filesystem>

#include "support/measured_node.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::ImaExtension;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::MakeImaEntry;
using ::seaworthy::testing::MakeImaNgEntry;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

namespace fs = std::filesystem;

class ImaWatchTest : public ::testing::Test {
 protected:
  ImaWatchTest() { SetBootId("first"); }

  void Write(const std::string& name, const std::string& content) {
    const fs::path path = Root() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::trunc) << content;
  }
  void SetBootId(const std::string& id) { Write("proc/sys/kernel/random/boot_id", id + "\n"); }
  fs::path Root() const { return node_.root().path() / "kernel"; }

  void Start() {
    watch_ = std::make_unique<ImaWatch>(
        ImaWatch::Options{
            .list = node_.list(), .state_dir = node_.root() / "state", .root = Root()},
        node_.broker(), events_);
    if (allowed_) watch_->Allow(allowed_);
    watch_->Start();
  }
  void AllowFiles(const std::map<std::string, Bytes>& files) {
    verify::ImaPolicy policy;
    for (const auto& [path, digest] : files) policy.files[path] = {{"sha256", digest}};
    allowed_ = std::make_shared<const verify::AllowedFiles>(
        verify::AllowedFiles::Create(std::move(policy)).value());
  }

  // The state once it is so, or after some time.
  ImaListState Until(const std::function<bool(const ImaListState&)>& so,
                     milliseconds time = milliseconds(10'000)) const {
    const Deadline deadline = DeadlineIn(time);
    while (!so(watch_->state()) && TimeLeft(deadline).count() > 0) {
      poll(nullptr, 0, 10);
    }
    return watch_->state();
  }
  ImaListState UntilConfirmed(std::uint64_t entries) const {
    return Until([entries](const ImaListState& now) {
      return now.confirmed == entries && now.problem.ok();
    });
  }
  ImaListState UntilProblem(const std::string& reason) const {
    return Until([&](const ImaListState& now) { return Reason(now.problem) == reason; });
  }
  // The events so far: their types and targets.
  std::vector<std::string> Told() const {
    std::vector<std::string> told;
    for (const Event& event : events_.WaitFrom(1, DeadlineIn(milliseconds(0)))) {
      told.push_back(event.type + " " + event.target);
    }
    return told;
  }

  testing::MeasuredNode node_;
  Events events_;
  std::shared_ptr<const verify::AllowedFiles> allowed_;
  std::unique_ptr<ImaWatch> watch_;
};

TEST_F(ImaWatchTest, FollowsTheListAgainstThePcr) {
  node_.Measure("/usr/bin/a", Bytes(32, 1));
  Start();
  EXPECT_EQ(UntilConfirmed(2).entries, 2U);
  const auto before = std::chrono::steady_clock::now();
  node_.Measure("/usr/bin/b", Bytes(32, 2));
  const ImaListState state = UntilConfirmed(3);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
  EXPECT_EQ(state.bytes, fs::file_size(node_.list()));
  EXPECT_THAT(state.problem, IsOk());
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ImaWatchTest, ConfirmsAnEntryOnceItIsExtended) {
  Start();
  EXPECT_EQ(UntilConfirmed(1).entries, 1U);
  const Bytes entry = MakeImaNgEntry("/usr/bin/a", Bytes(32, 1));
  node_.List(entry);
  ImaListState state = Until([](const ImaListState& now) { return now.entries == 2; });
  EXPECT_EQ(state.confirmed, 1U);
  // Looked at several times meanwhile.
  state = Until([](const ImaListState& now) { return !now.problem.ok(); }, milliseconds(1'600));
  EXPECT_THAT(state.problem, IsOk());
  node_.Extend(ImaExtension(entry));
  EXPECT_EQ(UntilConfirmed(2).entries, 2U);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ImaWatchTest, TellsViolationsAndUnexpectedFiles) {
  AllowFiles({{"/usr/bin/runc", Bytes(32, 1)}});
  node_.Measure("/usr/bin/runc", Bytes(32, 1));
  Start();
  EXPECT_EQ(UntilConfirmed(2).unexpected, 0U);
  node_.Measure("/usr/bin/runc", Bytes(32, 2));
  node_.Measure(std::string("/tmp/\xff"), Bytes(32, 3));
  node_.List(MakeImaEntry(
      "ima-ng",
      {std::string("sha256:\0", 8) + std::string(32, '\0'), std::string("/var/log/x\0", 11)},
      true));
  node_.Extend(Bytes(32, 0xff));
  const ImaListState state = UntilConfirmed(5);
  EXPECT_EQ(state.unexpected, 2U);
  EXPECT_EQ(state.violations, 1U);
  EXPECT_THAT(Told(),
              ElementsAre("integrity.unexpected_file /usr/bin/runc",
                          "integrity.unexpected_file /tmp/%ff", "integrity.violation /var/log/x"));
}

TEST_F(ImaWatchTest, JudgesAllAnewByOtherFiles) {
  node_.Measure("/usr/bin/runc", Bytes(32, 1));
  Start();
  EXPECT_EQ(UntilConfirmed(2).unexpected, 0U);
  AllowFiles({});
  watch_->Allow(allowed_);
  EXPECT_EQ(Until([](const ImaListState& now) { return now.unexpected == 1; }).unexpected, 1U);
  AllowFiles({{"/usr/bin/runc", Bytes(32, 1)}});
  watch_->Allow(allowed_);
  EXPECT_EQ(Until([](const ImaListState& now) { return now.unexpected == 0; }).unexpected, 0U);
}

// M-72: a flood does not push out what others have to say.
TEST_F(ImaWatchTest, TellsSomeOfMany) {
  AllowFiles({});
  for (int i = 0; i < 100; ++i) {
    node_.List(MakeImaNgEntry("/tmp/" + std::to_string(i), Bytes(32, 1)));
  }
  Start();
  EXPECT_EQ(Until([](const ImaListState& now) { return now.unexpected == 100; }).unexpected, 100U);
  Until([this](const ImaListState&) { return Told().size() > 32; });
  EXPECT_EQ(std::ranges::count_if(
                Told(), [](const auto& told) { return told.starts_with("integrity.unexp"); }),
            32);
  EXPECT_THAT(Told(), ::testing::Contains("integrity.more "));
}

// M-72
TEST_F(ImaWatchTest, TellsAListThatIsNotWhatWasMeasured) {
  Start();
  UntilConfirmed(1);
  // Measured and not listed.
  node_.Extend(ImaExtension(MakeImaNgEntry("/tmp/hidden", Bytes(32, 9))));
  node_.Measure("/usr/bin/a", Bytes(32, 1));
  const ImaListState state = UntilProblem("IMA_LIST_MISMATCH");
  EXPECT_EQ(state.entries, 2U);
  EXPECT_EQ(state.confirmed, 1U);
  EXPECT_THAT(Told(), ElementsAre("integrity.list_problem IMA_LIST_MISMATCH"));
}

// M-72
TEST_F(ImaWatchTest, TellsAListThatShrinks) {
  node_.Measure("/usr/bin/a", Bytes(32, 1));
  Start();
  UntilConfirmed(2);
  fs::resize_file(node_.list(), 40);
  UntilProblem("IMA_LIST_SHRUNK");
  EXPECT_THAT(Told(), ::testing::Contains("integrity.list_problem IMA_LIST_SHRUNK"));
}

// M-72
TEST_F(ImaWatchTest, TellsAListThatIsNone) {
  node_.List(Bytes(100, 0xff));
  Start();
  EXPECT_THAT(Message(UntilProblem("IMA_LIST_UNREADABLE").problem), HasSubstr("entry 1"));
}

TEST_F(ImaWatchTest, LooksAtTheKernelsCount) {
  const std::string count = fs::path(node_.list()).replace_filename("runtime_measurements_count");
  std::ofstream(count) << "2\n";
  node_.Measure("/usr/bin/a", Bytes(32, 1));
  Start();
  UntilConfirmed(2);
  // Of the list itself nothing says so.
  std::ofstream(count) << "1\n";
  UntilProblem("IMA_LIST_SHRUNK");
  EXPECT_THAT(Told(), ::testing::Contains("integrity.list_problem IMA_LIST_SHRUNK"));
}

TEST_F(ImaWatchTest, WaitsForAKernelThatMeasures) {
  fs::rename(node_.list(), node_.list() + "-away");
  Start();
  EXPECT_THAT(UntilProblem("IMA_LIST_MISSING").problem.code(), Code::kNotFound);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ImaWatchTest, FollowsWithoutTheTpm) {
  Start();
  UntilConfirmed(1);
  node_.swtpm().Kill();
  node_.List(MakeImaNgEntry("/usr/bin/a", Bytes(32, 1)));
  const ImaListState state =
      Until([](const ImaListState& now) { return now.entries == 2 && !now.problem.ok(); });
  EXPECT_EQ(state.entries, 2U);
  EXPECT_EQ(state.confirmed, 1U);
  EXPECT_EQ(state.problem.code(), Code::kUnavailable);
}

TEST_F(ImaWatchTest, TellsABootFromAKexec) {
  Start();
  UntilConfirmed(1);
  watch_.reset();
  SetBootId("second");
  node_.Reset();
  node_.Boot();
  Start();
  UntilConfirmed(1);
  EXPECT_THAT(Told(), ElementsAre("integrity.boot "));
  watch_.reset();

  // The kernel's list begins anew, the PCR goes on.
  SetBootId("third");
  std::ofstream(node_.list(), std::ios::trunc);
  node_.Measure("boot_aggregate", Bytes(32, 7));
  Start();
  UntilProblem("IMA_LIST_KEXEC");
  EXPECT_THAT(Told(), ElementsAre("integrity.boot ", "integrity.kexec ",
                                  "integrity.list_problem IMA_LIST_KEXEC"));
  watch_.reset();

  // Another life of the daemon in the same boot.
  Start();
  UntilProblem("IMA_LIST_KEXEC");
  EXPECT_EQ(Told().size(), 4U);
}

TEST_F(ImaWatchTest, RemembersThePolicy) {
  Write("sys/kernel/security/ima/policy", "");
  fs::permissions(Root() / "sys/kernel/security/ima/policy", fs::perms(0200));
  Write("etc/ima/ima-policy", "measure func=BPRM_CHECK\n");
  const std::string first = InstalledPolicySha256(Root());
  Start();
  UntilConfirmed(1);
  EXPECT_EQ(watch_->active_policy(), "");
  fs::remove(Root() / "sys/kernel/security/ima/policy");
  Until([this](const ImaListState&) { return !watch_->active_policy().empty(); });
  EXPECT_EQ(watch_->active_policy(), first);

  // For the next boot.
  Write("etc/ima/ima-policy", "measure func=MODULE_CHECK\n");
  const std::string second = InstalledPolicySha256(Root());
  EXPECT_THAT(second, Not(first));
  watch_.reset();
  Start();
  UntilConfirmed(1);
  Until([this](const ImaListState&) { return !watch_->active_policy().empty(); });
  EXPECT_EQ(watch_->active_policy(), first);

  watch_.reset();
  SetBootId("second");
  node_.Reset();
  node_.Boot();
  Start();
  Until([this](const ImaListState&) { return !watch_->active_policy().empty(); });
  EXPECT_EQ(watch_->active_policy(), second);
  EXPECT_THAT(Told(), IsSupersetOf({"integrity.policy_loaded sha256:" + first,
                                    "integrity.policy_changed sha256:" + second}));
}

TEST_F(ImaWatchTest, LeavesADamagedRecordAsItIs) {
  const fs::path record = node_.root().path() / "state/integrity/last_boot.json";
  fs::create_directories(record.parent_path());
  std::ofstream(record) << "{\"boot_id\": 7}";
  Start();
  UntilConfirmed(1);
  watch_.reset();
  EXPECT_EQ(AsText(ReadFile(record.string(), 1000).value()), "{\"boot_id\": 7}");
}

}  // namespace
}  // namespace seaworthy::integrity
