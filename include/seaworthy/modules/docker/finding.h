// What an audit of the engine says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seaworthy::docker {

enum class Outcome : std::uint8_t {
  kPass,
  kFail,
  kAccepted,       // it fails, and the site's policy has an exception for it
  kNotApplicable,  // there is nothing to look at
  kCannotTell,     // what tells could not be had
  kManual,         // for a person to judge
};

// "pass", "fail", "accepted", "not-applicable", "cannot-tell", "manual".
std::string_view ToString(Outcome outcome);

enum class Automation : std::uint8_t { kFull, kPartial, kManual };

// One of the benchmark's, under its id there.
struct Check {
  std::string_view id;     // "2.5"
  std::string_view title;  // what holds where it passes: "No registry is used without TLS"
  Automation automation = Automation::kFull;
  std::string_view remediation;  // what a person does about it; of a manual check, what to look at
  // The key of daemon.json that makes it hold; empty where none does.
  std::string_view daemon_key = {};
};

struct Finding {
  std::string check;    // its id
  std::string subject;  // a container's name, a path; empty: the engine or the host
  Outcome outcome = Outcome::kCannotTell;
  std::string text;      // a sentence: why
  std::string evidence;  // what was seen, and where: "HostConfig.Privileged = true"
};

// What one family of checks found. A check that holds for all it looks at says so once; what does
// not hold is a finding for each subject.
class Findings {
 public:
  void Add(std::string_view check, Outcome outcome, std::string subject, std::string text,
           std::string evidence = {});
  void Pass(std::string_view check, std::string text, std::string evidence = {}) {
    Add(check, Outcome::kPass, {}, std::move(text), std::move(evidence));
  }
  void Fail(std::string_view check, std::string subject, std::string text,
            std::string evidence = {}) {
    Add(check, Outcome::kFail, std::move(subject), std::move(text), std::move(evidence));
  }
  void NotApplicable(std::string_view check, std::string text) {
    Add(check, Outcome::kNotApplicable, {}, std::move(text));
  }
  void CannotTell(std::string_view check, std::string subject, std::string text) {
    Add(check, Outcome::kCannotTell, std::move(subject), std::move(text));
  }
  // Whether anything was said about the check.
  bool Has(std::string_view check) const;

  const std::vector<Finding>& all() const { return all_; }
  std::vector<Finding> Take() { return std::move(all_); }

 private:
  std::vector<Finding> all_;
};

}  // namespace seaworthy::docker
