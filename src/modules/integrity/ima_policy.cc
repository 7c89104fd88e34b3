#include "seaworthy/modules/integrity/ima_policy.h"

#include <bitset>
#include <charconv>
#include <limits>

#include "modules/integrity/ima_rule_check.h"
#include "modules/integrity/ima_words.h"
#include "seaworthy/bytes.h"
#include "seaworthy/ima_list.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr std::size_t kMaxRules = 100'000;
// A page less the byte that ends the text: what the kernel takes of one write. It goes on with the
// rest of a longer line as if it were another rule.
constexpr std::size_t kMaxLine = 4095;
constexpr std::size_t kMaxShown = 64;
constexpr std::uint8_t kMaxPcr = 63;

Status Malformed(std::string_view what) {
  return Fail(Code::kInvalidArgument, "IMA_POLICY_MALFORMED", what);
}

// As the kernel reads numbers: a plus sign may stand before one, "0x" before one of base 16.
std::optional<std::uint64_t> Number(std::string_view text, int base, std::uint64_t max) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size() || number > max) return {};
  return number;
}

// What is between the separators; nothing when a piece is empty.
std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t end = text.find(separator);
    const std::string_view piece = text.substr(0, end);
    if (piece.empty()) return {};
    pieces.push_back(piece);
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

// A word of a rule: name, '=' or '<' or '>', value.
struct Term {
  std::string_view name;
  char compare = '=';
  std::string_view value;
};

template <class T, std::size_t size>
Status SetWord(const Word<T> (&words)[size], std::string_view word, std::optional<T>& out) {
  out = Meaning(words, word);
  return out ? Status() : Malformed("is not one of " + AllWords(words));
}

Status SetFunc(const Term& term, ImaRule& rule) { return SetWord(kFuncs, term.value, rule.func); }

Status SetMask(const Term& term, ImaRule& rule) {
  const bool among = term.value.starts_with('^');
  std::optional<std::uint8_t> bit;
  RETURN_IF_ERROR(SetWord(kMasks, term.value.substr(among ? 1 : 0), bit));
  rule.mask = ImaMask{.bit = *bit, .among = among};
  return {};
}

Status SetFsmagic(const Term& term, ImaRule& rule) {
  rule.fsmagic = Number(term.value, 16, std::numeric_limits<std::uint64_t>::max());
  return rule.fsmagic ? Status() : Malformed("is not a number of base 16 and at most 64 bits");
}

Status SetFsuuid(const Term& term, ImaRule& rule) {
  std::string digits(term.value);
  const bool hyphens = digits.size() == 36 && digits[8] == '-' && digits[13] == '-' &&
                       digits[18] == '-' && digits[23] == '-';
  std::erase(digits, '-');
  FsUuid& uuid = rule.fsuuid.emplace();
  const Result<Bytes> bytes = ParseHex(digits);
  if (hyphens && bytes.ok() && bytes->size() == uuid.size()) {
    std::ranges::copy(*bytes, uuid.begin());
    return {};
  }
  return Malformed("is not a UUID such as 8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6");
}

Status SetFsname(const Term& term, ImaRule& rule) {
  rule.fsname = term.value;
  return {};
}

Status SetId(const Term& term, std::optional<ImaId>& out) {
  if (out) return Malformed("is a second user or group: the kernel keeps one, real or effective");
  const auto compare = term.compare == '>'   ? ImaId::Compare::kAbove
                       : term.compare == '<' ? ImaId::Compare::kBelow
                                             : ImaId::Compare::kEqual;
  // The last number is the kernel's "nobody said".
  const auto id = Number(term.value, 10, std::numeric_limits<std::uint32_t>::max() - 1);
  if (!id) return Malformed("is not a number from 0 to 4294967294");
  out = ImaId{.compare = compare,
              .effective = term.name.starts_with('e'),
              .id = static_cast<std::uint32_t>(*id)};
  return {};
}

Status SetUid(const Term& term, ImaRule& rule) { return SetId(term, rule.uid); }
Status SetGid(const Term& term, ImaRule& rule) { return SetId(term, rule.gid); }
Status SetFowner(const Term& term, ImaRule& rule) { return SetId(term, rule.fowner); }
Status SetFgroup(const Term& term, ImaRule& rule) { return SetId(term, rule.fgroup); }

Status SetLabel(const Term& term, ImaRule& rule) {
  rule.labels[*Meaning(kLabels, term.name)] = term.value;
  return {};
}

Status SetList(const Term& term, std::vector<std::string>& out) {
  for (const std::string_view item : Split(term.value, '|')) out.emplace_back(item);
  return out.empty() ? Malformed("has an empty place in its list") : Status();
}

Status SetKeyrings(const Term& term, ImaRule& rule) { return SetList(term, rule.keyrings); }
Status SetDataLabels(const Term& term, ImaRule& rule) { return SetList(term, rule.data_labels); }

Status SetDigestType(const Term& term, ImaRule& rule) {
  if (term.value != "verity") return Malformed("is not verity");
  if (rule.appraise_type != ImaAppraiseType::kAny) {
    return Malformed("must stand before appraise_type=");
  }
  rule.verity = true;
  return {};
}

Status SetAppraiseType(const Term& term, ImaRule& rule) {
  std::optional<ImaAppraiseType> type;
  RETURN_IF_ERROR(SetWord(kAppraiseTypes, term.value, type));
  if (type == ImaAppraiseType::kSigv3 && !rule.verity) {
    return Malformed("needs digest_type=verity before it");
  }
  if (type != ImaAppraiseType::kSigv3 && rule.verity) {
    return Malformed("does not go with digest_type=verity, which needs sigv3");
  }
  rule.appraise_type = *type;
  return {};
}

Status SetAppraiseFlag(const Term& term, ImaRule& rule) {
  if (term.value != "check_blacklist") return Malformed("is not check_blacklist");
  rule.check_blacklist = true;
  return {};
}

Status SetAppraiseAlgos(const Term& term, ImaRule& rule) {
  const std::vector<std::string_view> names = Split(term.value, ',');
  if (names.empty()) return Malformed("has an empty place in its list");
  for (const std::string_view name : names) {
    const auto* found = std::ranges::find(kHashes, name);
    if (found == std::end(kHashes)) {
      return Malformed("has a hash that Debian's Linux 6.1 does not have");
    }
    rule.appraise_algos |= 1U << (found - kHashes);
  }
  return {};
}

Status SetPcr(const Term& term, ImaRule& rule) {
  const std::optional<std::uint64_t> pcr = Number(term.value, 10, kMaxPcr);
  if (!pcr) return Malformed("is not a number from 0 to 63");
  rule.pcr = static_cast<std::uint8_t>(*pcr);
  return {};
}

Status SetTemplate(const Term& term, ImaRule& rule) {
  for (const auto& [name, fields] : verify::kImaTemplates) {
    if (term.value == name || term.value == fields) rule.template_name = name;
  }
  return rule.template_name.empty() ? Malformed("is not one of " + AllWords(verify::kImaTemplates))
                                    : Status();
}

struct Condition {
  std::string_view name;
  std::string_view compares;  // what may stand between name and value
  Status (*set)(const Term&, ImaRule&);
};

constexpr Condition kConditions[] = {{"func", "=", SetFunc},
                                     {"mask", "=", SetMask},
                                     {"fsmagic", "=", SetFsmagic},
                                     {"fsuuid", "=", SetFsuuid},
                                     {"fsname", "=", SetFsname},
                                     {"uid", "=<>", SetUid},
                                     {"euid", "=<>", SetUid},
                                     {"gid", "=<>", SetGid},
                                     {"egid", "=<>", SetGid},
                                     {"fowner", "=<>", SetFowner},
                                     {"fgroup", "=<>", SetFgroup},
                                     {"subj_user", "=", SetLabel},
                                     {"subj_role", "=", SetLabel},
                                     {"subj_type", "=", SetLabel},
                                     {"obj_user", "=", SetLabel},
                                     {"obj_role", "=", SetLabel},
                                     {"obj_type", "=", SetLabel},
                                     {"keyrings", "=", SetKeyrings},
                                     {"label", "=", SetDataLabels},
                                     {"digest_type", "=", SetDigestType},
                                     {"appraise_type", "=", SetAppraiseType},
                                     {"appraise_flag", "=", SetAppraiseFlag},
                                     {"appraise_algos", "=", SetAppraiseAlgos},
                                     {"pcr", "=", SetPcr},
                                     {"template", "=", SetTemplate}};

class RuleParser {
 public:
  explicit RuleParser(std::size_t line) { rule_.line = line; }

  Status Take(std::string_view word) {
    if (word == "permit_directio") {
      rule_.permit_directio = true;
      return {};
    }
    if (const std::optional<ImaAction> action = Meaning(kActions, word)) {
      if (has_action_) return Malformed("is a second action");
      has_action_ = true;
      rule_.action = *action;
      return {};
    }
    const std::size_t end = word.find_first_of("=<>");
    if (end == std::string_view::npos) return Malformed("is no word of a rule");
    const Term term = {word.substr(0, end), word[end], word.substr(end + 1)};
    const auto* condition = std::ranges::find(kConditions, term.name, &Condition::name);
    if (condition == std::end(kConditions) ||
        condition->compares.find(term.compare) == std::string_view::npos) {
      return Malformed("is no word of a rule");
    }
    if (term.value.empty()) return Malformed("has no value");
    // Where the kernel would take the last of several, its writer meant something else.
    const auto index = static_cast<std::size_t>(condition - kConditions);
    if (seen_.test(index)) return Malformed("stands twice");
    seen_.set(index);
    // The kernel looks for the action when it comes to this word.
    if (term.name == "template" && !has_action_) return Malformed("must stand after measure");
    return condition->set(term, rule_);
  }

  Result<ImaRule> Finish(const ImaKernel& kernel) && {
    if (!has_action_) return Malformed("has no action: " + AllWords(kActions));
    if (const std::string refused = RefusedTogether(rule_, kernel); !refused.empty()) {
      return Malformed(refused);
    }
    return std::move(rule_);
  }

 private:
  ImaRule rule_;
  bool has_action_ = false;
  std::bitset<std::size(kConditions)> seen_;
};

bool IsPlain(char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); }

// A line with a rule in it.
Result<ImaRule> ParseRule(std::string_view text, std::size_t line, const ImaKernel& kernel) {
  if (!std::ranges::all_of(text, IsPlain)) {
    return Malformed("has a character that is not printable ASCII");
  }
  RuleParser parser(line);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string_view word = text.substr(0, end);
    if (!word.empty()) {
      const Status taken = parser.Take(word);
      if (!taken.ok()) return Wrap(taken, "'" + std::string(word.substr(0, kMaxShown)) + "'");
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(parser).Finish(kernel);
}

Status ParseLine(std::string_view text, std::size_t line, const ImaKernel& kernel,
                 ImaPolicy& policy) {
  if (text.size() > kMaxLine) return Malformed("is longer than 4095 bytes");
  if (text.find('\0') != std::string_view::npos) return Malformed("has a zero byte");
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  if (text.empty() || text.starts_with('#')) return {};
  if (policy.rules.size() == kMaxRules) return Malformed("is a rule too many, of 100000");
  ASSIGN_OR_RETURN(ImaRule rule, ParseRule(text, line, kernel));
  policy.rules.push_back(std::move(rule));
  return {};
}

}  // namespace

Result<ImaPolicy> ParseImaPolicy(std::string_view text, const ImaKernel& kernel) {
  if (text.size() > kMaxImaPolicy) return Malformed("the policy has more than 1 MiB");
  ImaPolicy policy;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const Status parsed = ParseLine(text.substr(0, end), line, kernel, policy);
    if (!parsed.ok()) return Wrap(parsed, "line " + std::to_string(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return policy;
}

bool Appraises(const ImaPolicy& policy) {
  return std::ranges::any_of(
      policy.rules, [](const ImaRule& rule) { return rule.action == ImaAction::kAppraise; });
}

}  // namespace seaworthy::integrity
