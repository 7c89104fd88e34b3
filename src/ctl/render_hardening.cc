#include "ctl/render_hardening.h"

namespace seaworthy::ctl {
namespace {

using docker::Transaction;

std::string RenderChange(const docker::SettingChange& change, const Style& style) {
  const std::string before =
      change.before.empty() ? "not set" : change.before + " (" + change.origin + ")";
  return "  " + style.Strong(Printable(change.key)) + ": " + Printable(before) + " -> " +
         style.Good(Printable(change.after)) + "  [" + std::string(docker::Name(change.effect)) +
         "]\n      " + Printable(change.why) + "\n";
}

std::string RenderFiles(const docker::Plan& plan) {
  std::string text;
  for (const docker::FileChange& file : plan.files) {
    const char* const what = !file.after ? "is removed" : file.before ? "is replaced" : "is made";
    text += "  " + Printable(file.path) + " " + what + "\n";
  }
  return text;
}

std::string Effect(const docker::Plan& plan) {
  switch (plan.effect) {
    case docker::Effect::kRestart:
      return "The engine is restarted for it.";
    case docker::Effect::kReload:
      return "The engine is reloaded for it, and goes on running.";
    case docker::Effect::kNone:
      break;
  }
  return "Nothing is to be done: the engine stands as the profile says.";
}

std::string PaintResult(const Transaction& transaction, const Style& style) {
  if (transaction.result == "applied" || transaction.result == "unchanged") {
    return style.Good(Printable(transaction.result));
  }
  return transaction.result == "restored" ? style.Warning("restored")
                                          : style.Bad(Printable(transaction.result));
}

std::string Kind(const Transaction& transaction) {
  std::string kind = Printable(transaction.kind);
  if (!transaction.profile.empty()) kind += " " + Printable(transaction.profile);
  if (!transaction.undoes.empty()) kind += " (undoes " + Printable(transaction.undoes) + ")";
  return kind;
}

}  // namespace

std::string RenderPlan(const docker::Plan& plan, const Style& style) {
  std::string text = "Profile " + style.Strong(Printable(plan.profile)) + " on engine " +
                     Printable(plan.engine) + " at " + Printable(plan.socket) + "\n";
  for (const docker::SettingChange& change : plan.changes) text += RenderChange(change, style);
  text += RenderFiles(plan);
  if (!plan.skipped.empty()) text += "Left alone:\n";
  for (const docker::SkippedSetting& skipped : plan.skipped) {
    text += "  " + Printable(skipped.key) + ": " + Printable(skipped.why) + "\n";
  }
  for (const std::string& warning : plan.warnings) {
    text += style.Warning("Note") + ": " + Printable(warning) + "\n";
  }
  for (const docker::NeededConsent& consent : plan.consents) {
    text += style.Bad("Needs --consent " + std::string(docker::Name(consent.consent))) + ": " +
            Printable(consent.why) + "\n";
  }
  text += Effect(plan) + "\n";
  return text + "Digest: " + Printable(plan.digest) + "\n";
}

std::string RenderTransaction(const Transaction& transaction, const Style& style) {
  std::string text = PaintResult(transaction, style) + "  " + Kind(transaction);
  if (transaction.result != "unchanged") text += "  " + Printable(transaction.id);
  text += "\n";
  if (!transaction.problem.empty()) {
    text += "      " + Printable(transaction.reason) + ": " + Printable(transaction.problem) + "\n";
  }
  return text;
}

std::string RenderHistory(const std::vector<Transaction>& history, const Style& style) {
  if (history.empty()) return "Nothing was applied yet.\n";
  Rows rows;
  for (const Transaction& transaction : history) {
    rows.push_back({Printable(transaction.id), Printable(transaction.ended), Kind(transaction),
                    PaintResult(transaction, style) +
                        (transaction.reason.empty() ? "" : ": " + Printable(transaction.reason))});
  }
  return Align(rows);
}

}  // namespace seaworthy::ctl
