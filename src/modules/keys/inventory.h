// The keys as last read, in memory, so that using one reads no file; and who is changing
// which, so that changes to one key follow each other. Thread-safe; no lock is held across
// disk or TPM.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/keys.h"

namespace seaworthy::keys {

class Inventory {
 public:
  // The right to change one key, given back with the object.
  class Claim {
   public:
    Claim(Inventory& inventory, std::string name)
        : inventory_(&inventory), name_(std::move(name)) {}
    Claim(Claim&& other) noexcept
        : inventory_(std::exchange(other.inventory_, nullptr)), name_(std::move(other.name_)) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim() { Release(); }
    void Release();

   private:
    Inventory* inventory_;
    std::string name_;
  };

  // Waits for its turn. DEADLINE_EXCEEDED (KEY_BUSY) when it does not come in time.
  Result<Claim> ClaimKey(Deadline deadline, const std::string& name);

  // Null when unknown.
  std::shared_ptr<const Key> Find(const std::string& name) const;
  std::vector<std::shared_ptr<const Key>> All() const;

  // Keys known and keys that are claimed to be made.
  std::size_t NamesInUse() const;

  // Counts changes: who read files outside a claim compares it before Note.
  std::uint64_t version() const;

  // By the holder of the claim, or before anybody else is there. Says whether the key's
  // problem is news.
  bool Put(Key key);
  void Drop(const std::string& name);

  // Takes what was read from disk at `version`, unless something has changed since or is being
  // changed. A null key was not found.
  bool Note(std::uint64_t version, const std::string& name, std::shared_ptr<const Key> key);

 private:
  bool PutLocked(const std::string& name, std::shared_ptr<const Key> key);

  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::map<std::string, std::shared_ptr<const Key>> known_;
  std::set<std::string> claimed_;
  std::uint64_t version_ = 0;
};

}  // namespace seaworthy::keys
