#include "seaworthy/pcr_difference.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "verify/difference_text.h"
#include "verify/event_alignment.h"
#include "verify/measured_event.h"
#include "verify/pcr_values.h"

namespace seaworthy::verify {
namespace {

using Events = std::vector<MeasuredEvent>;
using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

Events EventsOf(const Events& all, std::uint32_t pcr) {
  Events events;
  std::ranges::copy_if(all, std::back_inserter(events),
                       [pcr](const MeasuredEvent& event) { return event.event->pcr == pcr; });
  return events;
}

// Equal things get equal numbers.
template <class Key>
class Numbers {
 public:
  std::uint32_t Of(const Key& key) {
    return numbers_.emplace(key, static_cast<std::uint32_t>(numbers_.size())).first->second;
  }

 private:
  std::map<Key, std::uint32_t> numbers_;
};

template <class Key, class KeyOf>
std::optional<Pairs> AlignBy(std::span<const MeasuredEvent> before,
                             std::span<const MeasuredEvent> after, KeyOf key_of) {
  Numbers<Key> numbers;
  std::vector<std::uint32_t> keys_before, keys_after;
  for (const MeasuredEvent& event : before) keys_before.push_back(numbers.Of(key_of(event)));
  for (const MeasuredEvent& event : after) keys_after.push_back(numbers.Of(key_of(event)));
  return Align(keys_before, keys_after);
}

// What differs, as pairs where an event has another one in its place.
struct Unequal {
  std::vector<std::pair<const MeasuredEvent*, const MeasuredEvent*>> changed;
  std::vector<const MeasuredEvent*> removed;
  std::vector<const MeasuredEvent*> added;
};

// Between two events that are equal: those of one kind that follow one another alike have changed.
bool CompareGap(std::span<const MeasuredEvent> before, std::span<const MeasuredEvent> after,
                Unequal& unequal) {
  if (before.empty() && after.empty()) return true;
  const auto pairs = AlignBy<std::string>(before, after, EventIdentity);
  if (!pairs) return false;
  std::size_t i = 0, j = 0;
  const auto until = [&](std::size_t end_before, std::size_t end_after) {
    for (; i < end_before; ++i) unequal.removed.push_back(&before[i]);
    for (; j < end_after; ++j) unequal.added.push_back(&after[j]);
  };
  for (const auto& [in_before, in_after] : *pairs) {
    until(in_before, in_after);
    unequal.changed.emplace_back(&before[i++], &after[j++]);
  }
  until(before.size(), after.size());
  return true;
}

std::optional<Unequal> CompareEvents(const Events& before, const Events& after) {
  auto pairs =
      AlignBy<Bytes>(before, after, [](const MeasuredEvent& event) { return *event.digest; });
  if (!pairs) return std::nullopt;
  pairs->emplace_back(before.size(), after.size());
  Unequal unequal;
  std::size_t i = 0, j = 0;
  for (const auto& [in_before, in_after] : *pairs) {
    if (!CompareGap(std::span(before).subspan(i, in_before - i),
                    std::span(after).subspan(j, in_after - j), unequal)) {
      return std::nullopt;
    }
    i = in_before + 1;
    j = in_after + 1;
  }
  return unequal;
}

PcrDifference Difference(const char* code, const MeasuredEvent* before,
                         const MeasuredEvent* after) {
  PcrDifference difference;
  const MeasuredEvent& shown = after != nullptr ? *after : *before;
  difference.pcr = shown.event->pcr;
  difference.code = code;
  difference.type_name = shown.decoded.type_name;
  if (before != nullptr) {
    difference.event_before = before->event->number;
    difference.before = Shortened(before->decoded.sentence);
    difference.digest_before = *before->digest;
  }
  if (after != nullptr) {
    difference.event_after = after->event->number;
    difference.after = Shortened(after->decoded.sentence);
    difference.digest_after = *after->digest;
  }
  difference.sentence = DifferenceSentence(difference.code, before, after);
  return difference;
}

std::vector<PcrDifference> Told(Unequal unequal) {
  std::vector<PcrDifference> differences;
  for (const auto& [before, after] : unequal.changed) {
    differences.push_back(Difference("CHANGED", before, after));
  }
  std::multimap<Bytes, const MeasuredEvent*> added;
  for (const MeasuredEvent* event : unequal.added) added.emplace(*event->digest, event);
  for (const MeasuredEvent* event : unequal.removed) {
    if (const auto moved = added.find(*event->digest); moved != added.end()) {
      differences.push_back(Difference("MOVED", event, moved->second));
      added.erase(moved);
    } else {
      differences.push_back(Difference("REMOVED", event, nullptr));
    }
  }
  for (const auto& [digest, event] : added) {
    differences.push_back(Difference("ADDED", nullptr, event));
  }
  std::ranges::stable_sort(differences, {}, [](const PcrDifference& difference) {
    return difference.event_after.value_or(difference.event_before.value_or(0));
  });
  return differences;
}

PcrDifference OfPcr(std::uint32_t pcr, const char* code, std::string sentence) {
  PcrDifference difference;
  difference.pcr = pcr;
  difference.code = code;
  difference.sentence = "PCR " + std::to_string(pcr) + std::move(sentence);
  return difference;
}

// A boot with its log replayed, where it has one with the bank.
class ReplayedBoot {
 public:
  ReplayedBoot(const MeasuredBoot& boot, std::uint16_t bank) : boot_(boot), bank_(bank) {
    if (boot.log == nullptr) return;
    replay_ = ReplayBootLog(*boot.log);
    if (FindPcr(replay_.pcrs, bank, 0) != nullptr) events_ = MeasuredEvents(*boot.log, bank);
  }

  const Bytes* Value(std::uint32_t pcr) const { return FindPcr(boot_.pcrs, bank_, pcr); }
  bool HasLog() const { return FindPcr(replay_.pcrs, bank_, 0) != nullptr; }
  Events EventsIn(std::uint32_t pcr) const { return EventsOf(events_, pcr); }
  int StartupLocality() const { return boot_.log->startup_locality.value_or(0); }

  bool Replays(std::uint32_t pcr) const {
    const Bytes* value = Value(pcr);
    const Bytes* replayed = FindPcr(replay_.pcrs, bank_, pcr);
    return value != nullptr && replayed != nullptr && *value == *replayed;
  }

 private:
  const MeasuredBoot& boot_;
  std::uint16_t bank_;
  BootReplay replay_;
  Events events_;
};

std::string WithoutLog(const ReplayedBoot& before, const ReplayedBoot& after, std::uint32_t pcr) {
  if (after.Value(pcr) == nullptr) return " has no present value.";
  if (before.Value(pcr) == nullptr) return " has no value from before.";
  const std::string differs = " differs. Why cannot be told: ";
  if (before.HasLog()) return differs + "there is no boot log of this boot in its bank.";
  if (after.HasLog()) return differs + "no boot log in its bank was kept from before.";
  return differs + "there are no boot logs in its bank.";
}

std::vector<PcrDifference> CompareLogs(const ReplayedBoot& before, const ReplayedBoot& after,
                                       std::uint32_t pcr) {
  std::vector<PcrDifference> differences;
  for (const auto& [boot, which] :
       {std::pair(&before, "value from before"), std::pair(&after, "present value")}) {
    if (boot->Replays(pcr)) continue;
    differences.push_back(OfPcr(
        pcr, "NOT_IN_LOG",
        std::string(": its boot log does not replay to its ") + which +
            ". It was extended after the firmware handed over, by what is not in the log, or the "
            "log was edited."));
  }
  const Events events_before = before.EventsIn(pcr);
  const Events events_after = after.EventsIn(pcr);
  const auto unequal = CompareEvents(events_before, events_after);
  if (!unequal) {
    differences.push_back(OfPcr(pcr, "MANY",
                                " had " + std::to_string(events_before.size()) +
                                    " events and has " + std::to_string(events_after.size()) +
                                    ", and more of them differ than are told one by one."));
    return differences;
  }
  std::ranges::move(Told(*unequal), std::back_inserter(differences));
  if (differences.empty()) {
    // PCR 0 begins with it; the event that says it is not extended.
    differences.push_back(OfPcr(pcr, "CHANGED",
                                " began with another value: the TPM was started at locality " +
                                    std::to_string(before.StartupLocality()) + " and is at " +
                                    std::to_string(after.StartupLocality()) + "."));
  }
  return differences;
}

}  // namespace

PcrDifferences ComparePcrs(const MeasuredBoot& before, const MeasuredBoot& after,
                           std::uint16_t bank, const std::vector<std::uint32_t>& pcrs) {
  const ReplayedBoot boot_before(before, bank);
  const ReplayedBoot boot_after(after, bank);
  PcrDifferences all;
  for (const std::uint32_t pcr : std::set<std::uint32_t>(pcrs.begin(), pcrs.end())) {
    const Bytes* value_before = boot_before.Value(pcr);
    const Bytes* value_after = boot_after.Value(pcr);
    if (value_before == nullptr && value_after == nullptr) continue;
    const bool both = value_before != nullptr && value_after != nullptr;
    if (both && *value_before == *value_after) continue;
    all.pcrs.push_back(pcr);
    if (!both || !boot_before.HasLog() || !boot_after.HasLog()) {
      all.differences.push_back(OfPcr(pcr, "NO_LOG", WithoutLog(boot_before, boot_after, pcr)));
      continue;
    }
    std::vector<PcrDifference> differences = CompareLogs(boot_before, boot_after, pcr);
    if (differences.size() > kMaxDifferencesOfPcr) {
      all.left_out += differences.size() - kMaxDifferencesOfPcr;
      differences.resize(kMaxDifferencesOfPcr);
    }
    std::ranges::move(differences, std::back_inserter(all.differences));
  }
  return all;
}

std::vector<std::string> Sentences(const PcrDifferences& differences, std::size_t most) {
  const std::size_t all = differences.differences.size();
  // Where one line would be left out, it takes no more room than saying so.
  const std::size_t shown = all + (differences.left_out > 0 ? 1 : 0) <= most || most == 0
                                ? std::min(all, most)
                                : most - 1;
  std::vector<std::string> sentences;
  for (std::size_t i = 0; i < shown; ++i) {
    sentences.push_back(differences.differences[i].sentence);
  }
  const std::size_t more = all - shown + differences.left_out;
  if (more > 0 && most > 0) sentences.push_back("and " + std::to_string(more) + " more");
  return sentences;
}

}  // namespace seaworthy::verify
