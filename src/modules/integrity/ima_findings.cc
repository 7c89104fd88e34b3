#include <algorithm>
#include <unordered_map>

#include "modules/integrity/ima_words.h"
#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {
namespace {

// What bounds the search for rules that are never reached. A policy by hand has few shapes.
constexpr std::size_t kMaxShapes = 64;
constexpr std::size_t kMaxAlike = 16;
constexpr std::uint8_t kMaxPcrOfPcs = 23;
constexpr std::size_t kManyRules = 1000;

struct PseudoFileSystem {
  std::string_view name;
  std::uint64_t magic;
};
// Measuring their files tells nothing, and their content changes with each reading.
constexpr PseudoFileSystem kPseudoFileSystems[] = {
    {"proc", 0x9fa0},           {"sysfs", 0x62656572},     {"debugfs", 0x64626720},
    {"tmpfs", 0x01021994},      {"devpts", 0x1cd1},        {"binfmt_misc", 0x42494e4d},
    {"securityfs", 0x73636673}, {"selinuxfs", 0xf97cff8c}, {"cgroup", 0x27e0eb},
    {"cgroup2", 0x63677270},    {"nsfs", 0x6e736673},      {"efivarfs", 0xde5e81e4}};

// The ids for which a condition holds, from first to last.
std::pair<std::int64_t, std::int64_t> Range(const ImaId& condition) {
  const std::int64_t id = condition.id;
  switch (condition.compare) {
    case ImaId::Compare::kEqual:
      return {id, id};
    case ImaId::Compare::kAbove:
      return {id + 1, std::int64_t{1} << 32};
    case ImaId::Compare::kBelow:
      return {0, id - 1};
  }
  return {};
}

bool Covers(const std::optional<ImaId>& wide, const std::optional<ImaId>& narrow) {
  if (!wide || !narrow) return !wide;
  const auto [first, last] = Range(*narrow);
  return wide->effective == narrow->effective && Range(*wide).first <= first &&
         last <= Range(*wide).second;
}

bool Covers(const std::optional<ImaMask>& wide, const std::optional<ImaMask>& narrow) {
  if (!wide || !narrow) return !wide;
  return wide->bit == narrow->bit && (wide->among || !narrow->among);
}

bool Covers(const std::vector<std::string>& wide, const std::vector<std::string>& narrow) {
  const auto in_wide = [&](const std::string& name) {
    return std::ranges::find(wide, name) != wide.end();
  };
  return wide.empty() || (!narrow.empty() && std::ranges::all_of(narrow, in_wide));
}

// Something that follows from a rule's conditions, and that a rule which catches it can ask for.
struct Facet {
  unsigned bit;
  std::string value;
};

void AddIdFacets(const std::optional<ImaId>& id, unsigned place, std::vector<Facet>& facets) {
  if (!id) return;
  const std::string effective = id->effective ? "e" : "";
  if (id->compare == ImaId::Compare::kEqual) {
    facets.push_back({1U << place, effective + std::to_string(id->id)});
  }
  // Which range is for Catches to look at; one id can be in a range that another rule asks for.
  facets.push_back({1U << (place + 1), effective});
}

std::vector<Facet> FacetsOf(const ImaRule& rule) {
  std::vector<Facet> facets;
  if (rule.func) facets.push_back({1U << 0, std::string(WordFor(kFuncs, *rule.func))});
  if (HasNoFile(rule.func)) return facets;
  if (rule.mask) facets.push_back({1U << 1, std::to_string(rule.mask->bit)});
  if (rule.fsmagic) facets.push_back({1U << 2, std::to_string(*rule.fsmagic)});
  if (rule.fsuuid) {
    facets.push_back({1U << 3, std::string(rule.fsuuid->begin(), rule.fsuuid->end())});
  }
  if (!rule.fsname.empty()) facets.push_back({1U << 4, rule.fsname});
  AddIdFacets(rule.uid, 5, facets);
  AddIdFacets(rule.gid, 7, facets);
  AddIdFacets(rule.fowner, 9, facets);
  AddIdFacets(rule.fgroup, 11, facets);
  for (const auto& [label, value] : rule.labels) {
    facets.push_back({1U << (13 + static_cast<unsigned>(label)), value});
  }
  return facets;
}

// The earlier rules of a kind, by which facets they have (their shape) and what these are. With
// as many rules as a policy may have, comparing each with each would take hours.
class EarlierRules {
 public:
  // One that catches `rule`, or nullptr; and remembers `rule`, which has to stay where it is.
  const ImaRule* FindAndAdd(const ImaRule& rule) {
    const std::vector<Facet> facets = FacetsOf(rule);
    unsigned shape = 0;
    for (const Facet& facet : facets) shape |= facet.bit;
    for (const unsigned earlier_shape : shapes_) {
      if ((earlier_shape & ~shape) != 0) continue;
      const auto found = rules_.find(Key(earlier_shape, facets));
      if (found == rules_.end()) continue;
      for (const ImaRule* earlier : found->second) {
        if (Catches(*earlier, rule)) return earlier;
      }
    }
    Add(shape, facets, rule);
    return nullptr;
  }

 private:
  static std::string Key(unsigned shape, const std::vector<Facet>& facets) {
    std::string key = std::to_string(shape);
    for (const Facet& facet : facets) {
      if ((shape & facet.bit) != 0) key.append("\n").append(facet.value);
    }
    return key;
  }

  void Add(unsigned shape, const std::vector<Facet>& facets, const ImaRule& rule) {
    if (std::ranges::find(shapes_, shape) == shapes_.end()) {
      if (shapes_.size() == kMaxShapes) return;
      shapes_.push_back(shape);
    }
    std::vector<const ImaRule*>& alike = rules_[Key(shape, facets)];
    if (alike.size() < kMaxAlike) alike.push_back(&rule);
  }

  std::vector<unsigned> shapes_;
  std::unordered_map<std::string, std::vector<const ImaRule*>> rules_;
};

bool MeasuresEveryRead(const ImaRule& rule) {
  return rule.action == ImaAction::kMeasure && (!rule.func || rule.func == ImaFunc::kFileCheck) &&
         (!rule.mask || rule.mask->bit == kMayRead) && !rule.fsmagic && !rule.fsuuid &&
         rule.fsname.empty() && !rule.fowner && !rule.fgroup && rule.labels.empty();
}

// The pseudo file systems of which `policy` measures what `rule` is about.
std::string PseudoFileSystemsLeftIn(const ImaPolicy& policy, const ImaRule& rule) {
  std::string left;
  for (const PseudoFileSystem& system : kPseudoFileSystems) {
    ImaRule read = rule;
    read.func = ImaFunc::kFileCheck;
    read.mask = ImaMask{.bit = kMayRead, .among = false};
    read.fsmagic = system.magic;
    read.fsname = system.name;
    const bool out = std::any_of(&policy.rules.front(), &rule, [&](const ImaRule& earlier) {
      return earlier.action == ImaAction::kDontMeasure && Catches(earlier, read);
    });
    if (out) continue;
    ImaRule exclusion;
    exclusion.action = ImaAction::kDontMeasure;
    exclusion.fsmagic = system.magic;
    left += (left.empty() ? "" : ", ") + std::string(system.name) + " (" +
            FormatImaRule(exclusion) + ")";
  }
  return left;
}

class Finder {
 public:
  explicit Finder(const ImaPolicy& policy) : policy_(policy) {}

  std::vector<ImaFinding> Find() && {
    if (policy_.rules.empty()) {
      findings_.push_back({0, "NO_RULES", "there is no rule: the kernel drops such a policy"});
    }
    if (policy_.rules.size() > kManyRules) {
      findings_.push_back({0, "MANY_RULES",
                           "has " + std::to_string(policy_.rules.size()) +
                               " rules: the kernel goes through them on each access to a file"});
    }
    for (const ImaRule& rule : policy_.rules) {
      LookForEarlier(rule);
      LookAtReads(rule);
      LookAtOptions(rule);
    }
    return std::move(findings_);
  }

 private:
  void Add(const ImaRule& rule, std::string_view reason, std::string text) {
    findings_.push_back({rule.line, reason, std::move(text)});
  }

  void LookForEarlier(const ImaRule& rule) {
    const auto [same, is_new] = lines_.emplace(FormatImaRule(rule), rule.line);
    if (!is_new) {
      return Add(rule, "DUPLICATE", "is line " + std::to_string(same->second) + " again");
    }
    const auto kind = static_cast<std::size_t>(KindOf(rule.action));
    if (const ImaRule* earlier = earlier_[kind].FindAndAdd(rule)) {
      Add(rule, "NEVER_REACHED",
          "is never reached: line " + std::to_string(earlier->line) +
              " comes first for all that it would match");
    }
  }

  // Once is enough: what is said of the first such rule holds for the next.
  void LookAtReads(const ImaRule& rule) {
    if (reads_seen_ || !MeasuresEveryRead(rule)) return;
    reads_seen_ = true;
    const std::string left = PseudoFileSystemsLeftIn(policy_, rule);
    if (left.empty()) return;
    Add(rule, "PSEUDO_FILE_SYSTEMS",
        "measures reads in file systems that are no storage; have before it, of each: " + left);
  }

  void LookAtOptions(const ImaRule& rule) {
    if (HasNoFile(rule.func) && rule.gid) {
      Add(rule, "NO_EFFECT", "has gid, at which Linux 6.1 does not look for this func");
    }
    if (rule.pcr && *rule.pcr > kMaxPcrOfPcs) {
      Add(rule, "NO_SUCH_PCR", "measures into a PCR that a PC's TPM does not have: 0 to 23");
    }
    const bool tells_type = rule.template_name == "ima-ngv2" || rule.template_name == "ima-sigv2";
    if (rule.action == ImaAction::kMeasure && rule.verity && !tells_type) {
      Add(rule, "DIGEST_TYPE_NOT_LISTED",
          "puts digests of fs-verity into the list without saying so: take template=ima-ngv2 or "
          "template=ima-sigv2");
    }
  }

  const ImaPolicy& policy_;
  std::vector<ImaFinding> findings_;
  std::unordered_map<std::string, std::size_t> lines_;
  std::array<EarlierRules, 4> earlier_;  // by ImaKind
  bool reads_seen_ = false;
};

}  // namespace

bool Catches(const ImaRule& earlier, const ImaRule& later) {
  if (HasNoFile(later.func)) {
    return earlier.func == later.func && Covers(earlier.uid, later.uid) &&
           Covers(earlier.keyrings, later.keyrings) &&
           Covers(earlier.data_labels, later.data_labels);
  }
  return (!earlier.func || earlier.func == later.func) && Covers(earlier.mask, later.mask) &&
         (!earlier.fsmagic || earlier.fsmagic == later.fsmagic) &&
         (!earlier.fsuuid || earlier.fsuuid == later.fsuuid) &&
         (earlier.fsname.empty() || earlier.fsname == later.fsname) &&
         Covers(earlier.uid, later.uid) && Covers(earlier.gid, later.gid) &&
         Covers(earlier.fowner, later.fowner) && Covers(earlier.fgroup, later.fgroup) &&
         std::ranges::includes(later.labels, earlier.labels);
}

std::vector<ImaFinding> FindInImaPolicy(const ImaPolicy& policy) { return Finder(policy).Find(); }

}  // namespace seaworthy::integrity
