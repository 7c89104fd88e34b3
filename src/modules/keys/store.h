// Keys on disk: "<state>/keys/<name>/" holds "key-<generation>.pem" (TSS2 PRIVATE KEY) and
// "meta.json", which is replaced atomically and says which generations count. Whatever kills
// a change, the key is as before it or as after it; what a killed change leaves behind is
// unreferenced and Sweep removes it.
//
// Names must have passed CheckName. Changes to one key must not overlap; everything else may.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "modules/keys/metadata.h"
#include "seaworthy/directory.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::keys {

class Store {
 public:
  // Opens or makes "<state_dir>/keys".
  static Result<Store> Open(const std::string& state_dir);

  struct Files {
    std::string path;  // of the folder, for messages
    Metadata metadata;
    tpm::WrappedKey current;
    std::optional<tpm::WrappedKey> next;
  };

  const std::string& path() const { return keys_.path(); }

  struct Names {
    std::vector<std::string> keys;     // sorted; sound or not
    std::vector<std::string> foreign;  // cannot be a key of ours
  };
  Result<Names> List() const;

  bool Exists(const std::string& name) const { return keys_.Exists(name); }

  // NOT_FOUND (KEY_NOT_FOUND) when absent; FAILED_PRECONDITION (KEY_DAMAGED) names the file
  // that is not as it should be.
  Result<Files> Load(const std::string& name) const;

  // Makes the folder as a whole or not at all; ALREADY_EXISTS when there is anything of that
  // name.
  Status Create(const Metadata& metadata, const tpm::WrappedKey& key) const;

  // Adds the key of generation metadata.next beside the current one.
  Status AddNext(const Metadata& metadata, const tpm::WrappedKey& next) const;

  // Puts the metadata in force, then removes generations that are no longer referenced. On an
  // error the metadata in force may be the old or the new.
  Status Commit(const Metadata& metadata) const;

  // Removes the key, sound or damaged. FAILED_PRECONDITION (UNSAFE_FILE) when it is no folder
  // or has folders inside. When an error comes after the key is out of the way, its remains
  // wait for Sweep.
  Status Remove(const std::string& name) const;

  // Removes what killed changes left behind. Touches nothing of a damaged key. What cannot be
  // removed is logged.
  void Sweep() const;

 private:
  explicit Store(Directory keys) : keys_(std::move(keys)) {}
  Result<Files> LoadOnce(const std::string& name) const;
  Status WriteNew(const std::string& folder, const Metadata& metadata,
                  const tpm::WrappedKey& key) const;

  Directory keys_;
};

}  // namespace seaworthy::keys
