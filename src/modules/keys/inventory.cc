#include "modules/keys/inventory.h"

#include <algorithm>

namespace seaworthy::keys {

void Inventory::Claim::Release() {
  Inventory* const inventory = std::exchange(inventory_, nullptr);
  if (inventory == nullptr) return;
  {
    const std::lock_guard lock(inventory->mutex_);
    inventory->claimed_.erase(name_);
  }
  inventory->released_.notify_all();
}

Result<Inventory::Claim> Inventory::ClaimKey(Deadline deadline, const std::string& name) {
  std::unique_lock lock(mutex_);
  if (!released_.wait_until(lock, deadline, [&] { return !claimed_.contains(name); })) {
    return Fail(Code::kDeadlineExceeded, "KEY_BUSY",
                "another change of the key " + name + " is under way");
  }
  claimed_.insert(name);
  return Claim(*this, name);
}

std::shared_ptr<const Key> Inventory::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const Key>> Inventory::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Key>> keys;
  keys.reserve(known_.size());
  for (const auto& [name, key] : known_) keys.push_back(key);
  return keys;
}

std::size_t Inventory::NamesInUse() const {
  const std::lock_guard lock(mutex_);
  const auto made = std::count_if(claimed_.begin(), claimed_.end(),
                                  [&](const std::string& name) { return !known_.contains(name); });
  return known_.size() + static_cast<std::size_t>(made);
}

std::uint64_t Inventory::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

bool Inventory::Put(Key key) {
  const std::lock_guard lock(mutex_);
  ++version_;
  const std::string name = key.name;
  return PutLocked(name, std::make_shared<const Key>(std::move(key)));
}

void Inventory::Drop(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ++version_;
  known_.erase(name);
}

bool Inventory::Note(std::uint64_t version, const std::string& name,
                     std::shared_ptr<const Key> key) {
  const std::lock_guard lock(mutex_);
  if (version != version_ || claimed_.contains(name)) return false;
  if (key != nullptr) return PutLocked(name, std::move(key));
  known_.erase(name);
  return false;
}

bool Inventory::PutLocked(const std::string& name, std::shared_ptr<const Key> key) {
  std::shared_ptr<const Key>& known = known_[name];
  const bool was_sound = known == nullptr || known->problem.ok();
  const bool news = was_sound && !key->problem.ok();
  known = std::move(key);
  return news;
}

}  // namespace seaworthy::keys
