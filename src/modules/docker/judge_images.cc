// The benchmark's section 4: images, and how they were made.
#include <algorithm>
#include <charconv>
#include <cstdint>

#include "modules/docker/audit.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/image_history.h"
#include "modules/docker/process_status.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr auto kFull = Automation::kFull;
constexpr auto kPartial = Automation::kPartial;
constexpr auto kManual = Automation::kManual;

constexpr Check kChecks[] = {
    {"4.1", "Containers run as a user that is not root", kFull,
     "Name a user in the Dockerfile (USER), or run it with --user."},
    {"4.2", "Images are built on such as are trusted", kFull,
     "Use base images whose signatures are checked."},
    {"4.3", "Images have no packages that are not needed", kManual,
     "See what is installed in each image, and build it without what it does not use."},
    {"4.4", "Images are scanned, and rebuilt with the fixes", kPartial,
     "See when each image was built and what a scanner says of it; rebuild it without the cache."},
    {"4.5", "Images that are not signed are refused", kFull,
     "Have the node refuse images without a signature; DOCKER_CONTENT_TRUST binds one client."},
    {"4.6", "Images say how the health of a container is checked", kFull,
     "Put a HEALTHCHECK into the Dockerfile."},
    {"4.7", "No package list is fetched in an instruction of its own", kPartial,
     "Fetch the list and install from it in the same RUN."},
    {"4.8", "Images have no setuid and setgid programs that are not needed", kPartial,
     "Find them in each image (find / -perm /6000), and take the bits off in the Dockerfile."},
    {"4.9", "Files come into images by COPY, not by ADD", kPartial,
     "Use COPY; ADD fetches from the network and unpacks archives."},
    {"4.10", "Images have no secrets in them", kPartial,
     "Give secrets to the build by --secret and to the container at run time; see the files in "
     "each image."},
    {"4.11", "Only packages whose origin is verified are installed", kManual,
     "See in the Dockerfiles that package signatures are checked."},
    {"4.12", "Images are signed", kFull, "Sign what is built, and check it where it runs."},
};

std::string NameOf(const json& image) {
  const std::vector<std::string> tags = Texts(At(image, {"RepoTags"}));
  return tags.empty() ? Text(At(image, {"Id"})) : tags.front();
}

void JudgeUsers(const Facts& facts, Findings& findings) {
  if (!facts.containers.ok()) {
    return findings.CannotTell("4.1", "", Message(facts.containers.status()));
  }
  if (facts.containers->empty()) return findings.NotApplicable("4.1", "There are no containers.");
  for (const json& container : *facts.containers) {
    const std::string subject = ContainerName(container);
    const std::string user = Text(At(container, {"Config", "User"}));
    if (IsRootUser(user)) {
      findings.Fail("4.1", subject, "It runs as root.", "Config.User = \"" + user + "\"");
      continue;
    }
    // The image may have given another name the uid 0: of those that run, the kernel knows.
    const std::string uids = ProcessStatus(facts.root, container, "Uid");
    if (uids.substr(0, uids.find('\t')) != "0") continue;
    findings.Fail("4.1", subject, "It runs with uid 0.",
                  "/proc/" + std::to_string(Number(At(container, {"State", "Pid"}))) +
                      "/status: Uid 0, Config.User = \"" + user + "\"");
  }
  if (!findings.Has("4.1")) {
    findings.Pass("4.1", "It holds for all " + std::to_string(facts.containers->size()) +
                             " containers, those that do not run as well.");
  }
}

void JudgeEnforcement(const Facts& facts, Findings& findings) {
  if (!facts.info.ok()) return findings.CannotTell("4.5", "", Message(facts.info.status()));
  const std::vector<std::string> plugins = Texts(At(*facts.info, {"Plugins", "Authorization"}));
  if (plugins.empty()) {
    return findings.Fail("4.5", "",
                         "Nothing has the engine refuse images without a signature: no "
                         "authorization plugin is in force, and the signatures are not checked by "
                         "this agent.",
                         "GET /info: Plugins.Authorization is empty");
  }
  findings.CannotTell("4.5", "",
                      "Whether an authorization plugin refuses images without a signature cannot "
                      "be seen: " +
                          Join(plugins) + ".");
}

bool HasHealthcheck(const json& image) {
  const std::vector<std::string> test = Texts(At(image, {"Config", "Healthcheck", "Test"}));
  return !test.empty() && test.front() != "NONE";
}

void JudgeHealthcheck(const json& image, Findings& findings) {
  if (HasHealthcheck(image)) return;
  findings.Fail(
      "4.6", NameOf(image), "It does not say how its health is checked.",
      "Config.Healthcheck.Test: " + Join(Texts(At(image, {"Config", "Healthcheck", "Test"}))));
}

void JudgeHistory(const json& image, Findings& findings) {
  const std::vector<Instruction> instructions = Instructions(At(image, {"History"}));
  const bool silent =
      instructions.empty() || std::ranges::any_of(instructions, [](const Instruction& instruction) {
        return instruction.word.empty();
      });
  bool updates = false;
  bool adds = false;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    updates = updates || IsLoneUpdate(instructions[i]);
    // The first is how the files of a base image come in: COPY unpacks no archive.
    adds = adds || (i > 0 && instructions[i].word == "ADD");
  }
  const std::string name = NameOf(image);
  const char* const history = "GET /images/ID/history: CreatedBy";
  if (updates) {
    findings.Fail("4.7", name, "A package list is fetched, and nothing installed from it.",
                  history);
  }
  if (adds) findings.Fail("4.9", name, "Files were brought in by ADD.", history);
  if (!silent) return;
  const char* const unknown =
      "Its history does not say how all of it was made: see its Dockerfile.";
  if (!updates) findings.Add("4.7", Outcome::kManual, name, unknown);
  if (!adds) findings.Add("4.9", Outcome::kManual, name, unknown);
}

// Only names are told: what they stand for is secret.
void JudgeSecrets(const json& image, Findings& findings) {
  std::vector<std::string> names;
  for (const std::string& variable : Texts(At(image, {"Config", "Env"}))) {
    for (const std::string& name : SecretNames(variable)) names.push_back("Config.Env " + name);
  }
  for (const Instruction& instruction : Instructions(At(image, {"History"}))) {
    for (const std::string& name : SecretNames(instruction.rest)) {
      names.push_back("History " + name);
    }
    if (instruction.rest.find("-----BEGIN") != std::string::npos &&
        instruction.rest.find("PRIVATE KEY-----") != std::string::npos) {
      names.emplace_back("History: a private key");
    }
  }
  if (names.empty()) return;
  findings.Fail("4.10", NameOf(image), "There are secrets in it, by their names.", Join(names));
}

void SayManual(std::string_view check, Findings& findings) {
  const auto* const found = std::ranges::find(kChecks, check, &Check::id);
  findings.Add(check, Outcome::kManual, "", std::string(found->remediation));
}

void JudgeEach(const Facts& facts, Findings& findings) {
  for (const json& image : *facts.images) {
    JudgeHealthcheck(image, findings);
    JudgeHistory(image, findings);
    JudgeSecrets(image, findings);
  }
  const std::string all = "It holds for all " + std::to_string(facts.images->size()) + " images";
  for (const std::string_view check : {"4.6", "4.7", "4.9"}) {
    if (!findings.Has(check)) findings.Pass(check, all + ".");
  }
  // Names and history tell of some secrets, but files are not looked into.
  SayManual("4.10", findings);
  for (const std::string_view check : {"4.3", "4.4", "4.8", "4.11"}) SayManual(check, findings);
  findings.CannotTell("4.2", "",
                      "The signatures of images are not checked by this agent, so it does not know "
                      "on what they are built.");
  findings.CannotTell("4.12", "", "The signatures of images are not checked by this agent.");
}

void JudgeImages(const Facts& facts, const SitePolicy& /*policy*/, Findings& findings) {
  JudgeUsers(facts, findings);
  JudgeEnforcement(facts, findings);
  if (facts.images.ok() && !facts.images->empty()) return JudgeEach(facts, findings);
  for (const Check& check : kChecks) {
    if (check.id == "4.1" || check.id == "4.5") continue;
    if (facts.images.ok()) {
      findings.NotApplicable(check.id, "There are no images.");
    } else {
      findings.CannotTell(check.id, "", Message(facts.images.status()));
    }
  }
}

}  // namespace

const CheckFamily kImageChecks = {"Images", kChecks, JudgeImages};

}  // namespace seaworthy::docker
