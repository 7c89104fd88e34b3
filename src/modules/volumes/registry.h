// The volumes that the node knows: a file each in the state folder, volumes/NAME.json, with what
// belongs to it beside it; and who is at work on which, so that work on one volume follows each
// other. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes.h"

namespace seaworthy::volumes {

// INVALID_ARGUMENT (INVALID_NAME) for what is not 1 to 64 of a-z, 0-9 and "-", beginning with a
// letter or digit: safe as a file, a mapping and a unit.
Status CheckVolumeName(const std::string& name);
// INVALID_ARGUMENT (INVALID_DEVICE) for what is no absolute path.
Status CheckDevicePath(const std::string& device);

inline constexpr std::size_t kMaxGuardKeys = 8;

// INVALID_ARGUMENT (VOLUME_ENTRY_DAMAGED), naming the field.
Result<VolumeEntry> ParseVolumeEntry(std::string_view json);
std::string ToJson(const VolumeEntry& entry);

class Registry {
 public:
  static Result<std::unique_ptr<Registry>> Open(const std::string& state_dir);

  struct Listed {
    std::string name;
    Result<VolumeEntry> entry;
  };
  // By name, damaged ones too.
  Result<std::vector<Listed>> List() const;
  // NOT_FOUND (VOLUME_NOT_FOUND); FAILED_PRECONDITION (VOLUME_ENTRY_DAMAGED).
  Result<VolumeEntry> Read(const std::string& name) const;
  Status Write(const VolumeEntry& entry) const;
  // With all that belongs to it.
  Status Remove(const std::string& name) const;

  Result<std::vector<SignedPolicy>> ReadSignatures(const std::string& name) const;
  Status WriteSignatures(const std::string& name,
                         const std::vector<SignedPolicy>& signatures) const;

  // For what else is kept beside an entry, in files "NAME.something".
  const Directory& folder() const { return folder_; }

  class Claim {
   public:
    Claim(Registry& registry, std::string name) : registry_(&registry), name_(std::move(name)) {}
    Claim(Claim&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)), name_(std::move(other.name_)) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim();

   private:
    Registry* registry_;
    std::string name_;
  };
  // Waits for its turn at the volume. DEADLINE_EXCEEDED (VOLUME_BUSY).
  Result<Claim> ClaimVolume(Deadline deadline, const std::string& name);

 private:
  explicit Registry(Directory folder) : folder_(std::move(folder)) {}

  const Directory folder_;
  std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string> claimed_;
};

}  // namespace seaworthy::volumes
