#include "modules/integrity/ima_words.h"
#include "seaworthy/bytes.h"
#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {
namespace {

std::string Base16(std::uint64_t number) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[number % 16]);
    number /= 16;
  } while (number != 0);
  return "0x" + text;
}

std::string UuidText(const FsUuid& uuid) {
  constexpr std::size_t kHyphens[] = {8, 13, 18, 23};
  std::string text = Hex(uuid);
  for (const std::size_t place : kHyphens) text.insert(place, "-");
  return text;
}

void AddId(std::string_view name, const std::optional<ImaId>& id, std::string& text) {
  if (!id) return;
  text += id->effective ? " e" : " ";
  text += name;
  text += id->compare == ImaId::Compare::kAbove   ? '>'
          : id->compare == ImaId::Compare::kBelow ? '<'
                                                  : '=';
  text += std::to_string(id->id);
}

void AddList(std::string_view name, const std::vector<std::string>& items, std::string& text) {
  for (const std::string& item : items) {
    text += &item == &items.front() ? name : "|";
    text += item;
  }
}

void AddConditions(const ImaRule& rule, std::string& text) {
  if (rule.func) text.append(" func=").append(WordFor(kFuncs, *rule.func));
  if (rule.mask) {
    text += rule.mask->among ? " mask=^" : " mask=";
    text += WordFor(kMasks, rule.mask->bit);
  }
  if (rule.fsmagic) text += " fsmagic=" + Base16(*rule.fsmagic);
  if (rule.fsuuid) text += " fsuuid=" + UuidText(*rule.fsuuid);
  if (!rule.fsname.empty()) text += " fsname=" + rule.fsname;
  AddId("uid", rule.uid, text);
  AddId("gid", rule.gid, text);
  AddId("fowner", rule.fowner, text);
  AddId("fgroup", rule.fgroup, text);
  for (const auto& [label, value] : rule.labels) {
    text.append(" ").append(WordFor(kLabels, label)).append("=").append(value);
  }
  AddList(" keyrings=", rule.keyrings, text);
  AddList(" label=", rule.data_labels, text);
}

void AddOptions(const ImaRule& rule, std::string& text) {
  // The kernel wants it before appraise_type.
  if (rule.verity) text += " digest_type=verity";
  if (rule.appraise_type != ImaAppraiseType::kAny) {
    text.append(" appraise_type=").append(WordFor(kAppraiseTypes, rule.appraise_type));
  }
  if (rule.check_blacklist) text += " appraise_flag=check_blacklist";
  std::string_view before = " appraise_algos=";
  for (std::size_t i = 0; i < std::size(kHashes); ++i) {
    if ((rule.appraise_algos >> i & 1U) == 0) continue;
    text.append(before).append(kHashes[i]);
    before = ",";
  }
  if (rule.permit_directio) text += " permit_directio";
  if (rule.pcr) text += " pcr=" + std::to_string(*rule.pcr);
  if (!rule.template_name.empty()) text.append(" template=").append(rule.template_name);
}

}  // namespace

std::string FormatImaRule(const ImaRule& rule) {
  std::string text(WordFor(kActions, rule.action));
  AddConditions(rule, text);
  AddOptions(rule, text);
  return text;
}

std::string FormatImaPolicy(const ImaPolicy& policy) {
  std::string text;
  for (const ImaRule& rule : policy.rules) text += FormatImaRule(rule) + "\n";
  return text;
}

}  // namespace seaworthy::integrity
