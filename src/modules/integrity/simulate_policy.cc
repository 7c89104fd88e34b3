#include "seaworthy/modules/integrity/simulate_policy.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "modules/integrity/file_reading.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/integrity/file_conditions.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

using verify::ImaSignature;

// What IMA is asked when somebody does so; a program is opened before it is run.
struct Question {
  std::string_view act;
  ImaFunc func;
  std::uint8_t mask;
};
constexpr Question kQuestions[] = {{"run", ImaFunc::kFileCheck, kMayExec},
                                   {"run", ImaFunc::kBprmCheck, kMayExec},
                                   {"map", ImaFunc::kMmapCheck, kMayExec},
                                   {"load", ImaFunc::kModuleCheck, kMayRead},
                                   {"read", ImaFunc::kFileCheck, kMayRead}};

bool IsElf(int fd) {
  char magic[4] = {};
  return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
         std::string_view(magic, sizeof(magic)) ==
             "\x7f"
             "ELF";
}

// "ext4.ko", "ext4.ko.xz".
bool IsModule(const std::string& path) {
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  return name.ends_with(".ko") || name.find(".ko.") != std::string_view::npos;
}

bool CanBe(std::string_view act, const std::string& path, int fd, mode_t mode) {
  if (act == "run") return (mode & 0111) != 0;
  if (act == "map") return IsElf(fd);
  return act == "read" || IsModule(path);
}

void AddOnce(std::string_view act, std::vector<std::string_view>& acts) {
  if (acts.empty() || acts.back() != act) acts.push_back(act);
}

bool AsksFor(const ImaRule& rule, bool of_subject) {
  return std::ranges::any_of(rule.labels, [&](const auto& condition) {
    return !of_subject || condition.first <= ImaLabel::kSubjType;
  });
}

class Simulator {
 public:
  Simulator(const ImaPolicy& policy, const SimulationRun& run)
      : policy_(policy), run_(run), conditions_(HasSelinux(run.root)) {}

  Status Visit(const std::string& path, int fd) {
    struct stat stat = {};
    if (fstat(fd, &stat) != 0) return FromErrno(errno, "stat " + path);
    ASSIGN_OR_RETURN(ImaAccess access, conditions_.Of(fd));
    SimulatedFile file{.path = path, .measured = {}, .denied = {}, .why = {}};
    bool appraised = false;
    for (const Question& question : kQuestions) {
      if (!CanBe(question.act, path, fd, stat.st_mode)) continue;
      access.func = question.func;
      access.mask = question.mask;
      access.cap_setuid = access.cap_setgid = true;
      const ImaDecision decision = MatchImaPolicy(policy_, access);
      if (decision.measure != nullptr && decision.measure->action == ImaAction::kMeasure) {
        AddOnce(question.act, file.measured);
      }
      if (decision.appraise == nullptr || decision.appraise->action != ImaAction::kAppraise) {
        continue;
      }
      appraised = true;
      const Status& status = Judge(*decision.appraise, fd);
      if (status.code() == Code::kDeadlineExceeded) return Wrap(status, path);
      if (status.ok()) continue;
      AddOnce(question.act, file.denied);
      file.why = status;
    }
    judged_.clear();
    Count(file, appraised);
    if (run_.tell) run_.tell(file);
    return {};
  }

  Simulation simulation;

 private:
  // By the kind of signature that the rule asks for, each once a file.
  const Status& Judge(const ImaRule& rule, int fd) {
    const bool verity = rule.appraise_type == ImaAppraiseType::kSigv3;
    auto judged = judged_.find(verity);
    if (judged == judged_.end()) judged = judged_.emplace(verity, Check(verity, fd)).first;
    return judged->second;
  }

  Status Check(bool verity, int fd) const {
    std::uint64_t bytes = 0;
    RETURN_IF_ERROR(CheckFile(run_.tree.deadline, fd, run_.keys, run_.signatures, bytes));
    const char* name = run_.signatures.user_attributes ? "user.ima" : "security.ima";
    ASSIGN_OR_RETURN(const std::optional<Bytes> attribute, ReadAttribute(fd, name));
    ASSIGN_OR_RETURN(const ImaSignature signature,
                     ImaSignature::Parse(attribute ? ByteView(*attribute) : ByteView()));
    const bool of_verity = signature.type == ImaSignature::Type::kVerity;
    if (verity ? of_verity : signature.version == 2) return {};
    return Fail(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID",
                verity ? "the rule asks for a signature of fs-verity's digest"
                       : "the rule takes no signature of fs-verity's digest, nor format 3");
  }

  void Count(const SimulatedFile& file, bool appraised) {
    ++simulation.files;
    simulation.measured += file.measured.empty() ? 0 : 1;
    simulation.appraised += appraised ? 1 : 0;
    simulation.denied += file.denied.empty() ? 0 : 1;
  }

  const ImaPolicy& policy_;
  const SimulationRun& run_;
  FileConditions conditions_;
  std::map<bool, Status> judged_;  // of the file at hand, by whether fs-verity was asked for
};

}  // namespace

Result<Simulation> SimulatePolicy(const ImaPolicy& policy, const SimulationRun& run) {
  Simulator simulator(policy, run);
  TreeRun tree = run.tree;
  tree.failed = [&](const std::string& path, const Status& why) {
    ++simulator.simulation.failed;
    if (run.tree.failed) run.tree.failed(path, why);
  };
  RETURN_IF_ERROR(ForEachFile(
      run.root, tree, [&](const std::string& path, int fd) { return simulator.Visit(path, fd); }));
  return simulator.simulation;
}

bool AsksForSubject(const ImaPolicy& policy) {
  return std::ranges::any_of(policy.rules, [](const ImaRule& rule) { return AsksFor(rule, true); });
}

bool AsksForSelinux(const ImaPolicy& policy) {
  return std::ranges::any_of(policy.rules,
                             [](const ImaRule& rule) { return AsksFor(rule, false); });
}

}  // namespace seaworthy::integrity
