// The benchmark's section 6: what lies about.
#include <set>

#include "modules/docker/audit.h"
#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr Check kChecks[] = {
    {"6.1", "No more images lie about unused than the policy allows", Automation::kFull,
     "Remove what no container uses: `docker image prune --all`."},
    {"6.2", "No more stopped containers lie about than the policy allows", Automation::kFull,
     "Remove them: `docker container prune`."},
};

// `what` is there `count` times among `all`.
void JudgeCount(std::string_view check, const std::string& what, std::size_t count,
                std::size_t allowed, std::size_t all, Findings& findings) {
  const std::string text = std::to_string(count) + " of " + std::to_string(all) + " " + what +
                           "; the policy allows " + std::to_string(allowed) + ".";
  if (count > allowed) {
    findings.Fail(check, "", text);
  } else {
    findings.Pass(check, text);
  }
}

void JudgeImages(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!facts.images.ok()) return findings.CannotTell("6.1", "", Message(facts.images.status()));
  if (!facts.containers.ok()) {
    return findings.CannotTell("6.1", "", Message(facts.containers.status()));
  }
  std::set<std::string> used;
  for (const json& container : *facts.containers) used.insert(Text(At(container, {"Image"})));
  std::size_t unused = 0;
  for (const json& image : *facts.images) {
    if (!used.contains(Text(At(image, {"Id"})))) ++unused;
  }
  JudgeCount("6.1", "images are used by no container, running or stopped", unused,
             policy.unused_images, facts.images->size(), findings);
}

void JudgeStopped(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!facts.containers.ok()) {
    return findings.CannotTell("6.2", "", Message(facts.containers.status()));
  }
  std::size_t stopped = 0;
  for (const json& container : *facts.containers) {
    if (!IsTrue(At(container, {"State", "Running"}))) ++stopped;
  }
  JudgeCount("6.2", "containers do not run", stopped, policy.stopped_containers,
             facts.containers->size(), findings);
}

void JudgeOperations(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  JudgeImages(facts, policy, findings);
  JudgeStopped(facts, policy, findings);
}

}  // namespace

const CheckFamily kOperationChecks = {"Operations", kChecks, JudgeOperations};

}  // namespace seaworthy::docker
