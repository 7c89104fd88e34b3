#include <algorithm>
#include <bitset>

#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {
namespace {

bool Holds(const ImaId& condition, std::uint32_t id) {
  switch (condition.compare) {
    case ImaId::Compare::kEqual:
      return id == condition.id;
    case ImaId::Compare::kAbove:
      return id > condition.id;
    case ImaId::Compare::kBelow:
      return id < condition.id;
  }
  return false;
}

bool Holds(const std::optional<ImaId>& condition, std::uint32_t id) {
  return !condition || Holds(*condition, id);
}

struct TaskIds {
  std::uint32_t real;
  std::uint32_t effective;
  std::uint32_t saved;
  bool may_change;
};

bool Holds(const std::optional<ImaId>& condition, const TaskIds& ids) {
  if (!condition) return true;
  if (!condition->effective) return Holds(*condition, ids.real);
  return Holds(*condition, ids.effective) ||
         (ids.may_change && (Holds(*condition, ids.saved) || Holds(*condition, ids.real)));
}

// user:role:type:level; the level may have colons.
std::string_view PartOf(std::string_view context, unsigned index) {
  for (; index > 0; --index) {
    const std::size_t colon = context.find(':');
    if (colon == std::string_view::npos) return {};
    context.remove_prefix(colon + 1);
  }
  return context.substr(0, context.find(':'));
}

bool Holds(ImaLabel label, std::string_view value, const ImaAccess& access) {
  const auto index = static_cast<unsigned>(label);
  const bool of_subject = label <= ImaLabel::kSubjType;
  return PartOf(of_subject ? access.subject : access.object, index % 3) == value;
}

bool Holds(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::find(names, name) != names.end();
}

bool Holds(const std::optional<ImaMask>& condition, std::uint8_t mask) {
  if (!condition) return true;
  return condition->among ? (condition->bit & mask) != 0 : condition->bit == mask;
}

bool Matches(const ImaRule& rule, const ImaAccess& access) {
  const TaskIds users = {access.uid, access.euid, access.suid, access.cap_setuid};
  if (HasNoFile(access.func)) {
    return rule.func == access.func && Holds(rule.uid, users) &&
           Holds(rule.keyrings, access.data) && Holds(rule.data_labels, access.data);
  }
  const TaskIds groups = {access.gid, access.egid, access.sgid, access.cap_setgid};
  return (!rule.func || rule.func == access.func) && Holds(rule.mask, access.mask) &&
         (!rule.fsmagic || rule.fsmagic == access.fsmagic) &&
         (rule.fsname.empty() || rule.fsname == access.fsname) &&
         (!rule.fsuuid || rule.fsuuid == access.fsuuid) && Holds(rule.uid, users) &&
         Holds(rule.gid, groups) && Holds(rule.fowner, access.fowner) &&
         Holds(rule.fgroup, access.fgroup) &&
         std::ranges::all_of(rule.labels, [&](const auto& condition) {
           return Holds(condition.first, condition.second, access);
         });
}

}  // namespace

ImaKind KindOf(ImaAction action) {
  switch (action) {
    case ImaAction::kMeasure:
    case ImaAction::kDontMeasure:
      return ImaKind::kMeasure;
    case ImaAction::kAppraise:
    case ImaAction::kDontAppraise:
      return ImaKind::kAppraise;
    case ImaAction::kAudit:
      return ImaKind::kAudit;
    case ImaAction::kHash:
    case ImaAction::kDontHash:
      return ImaKind::kHash;
  }
  return ImaKind::kMeasure;
}

bool HasNoFile(std::optional<ImaFunc> func) {
  return func == ImaFunc::kKeyCheck || func == ImaFunc::kCriticalData ||
         func == ImaFunc::kSetxattrCheck;
}

ImaDecision MatchImaPolicy(const ImaPolicy& policy, const ImaAccess& access) {
  ImaDecision decision;
  const ImaRule** const decided[] = {&decision.measure, &decision.appraise, &decision.audit,
                                     &decision.hash};
  std::bitset<std::size(decided)> done;
  for (const ImaRule& rule : policy.rules) {
    const auto kind = static_cast<std::size_t>(KindOf(rule.action));
    if (done.test(kind) || !Matches(rule, access)) continue;
    done.set(kind);
    *decided[kind] = &rule;
    const bool takes_back = decision.hash != nullptr && decision.hash->action == ImaAction::kHash;
    if (rule.action == ImaAction::kAppraise && takes_back) decision.hash = nullptr;
  }
  return decision;
}

}  // namespace seaworthy::integrity
