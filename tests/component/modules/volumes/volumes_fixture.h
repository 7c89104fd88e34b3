// The module with volumes in files, on a TPM of their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "component/modules/volumes/volume_fixture.h"
#include "seaworthy/modules/volumes.h"

namespace seaworthy::volumes {

inline VolumeSecret RecoveryKey(const SecretBytes& key) {
  return {VolumeSecret::Kind::kRecoveryKey, SecretBytes::Copy(key.view()), false};
}

inline VolumeSecret Pin(std::string_view pin) {
  return {VolumeSecret::Kind::kTpm, Secret(pin), false};
}

inline VolumeSecret Passphrase(std::string_view text) {
  return {VolumeSecret::Kind::kPassphrase, Secret(text), false};
}

class VolumesModule : public VolumeTest {
 protected:
  VolumesModule() { Restart(); }

  // A new life of the daemon on the same state.
  void Restart() {
    volumes_.reset();
    volumes_ = std::make_unique<Volumes>(
        *broker_, events_, Volumes::Options{root_ / "state", "", root_ / "no-mapper", platform_});
    EXPECT_THAT(volumes_->Start(), testing::IsOk());
  }

  // An empty disk.
  std::string Disk(const std::string& name) {
    const std::string path = root_ / name;
    std::ofstream(path, std::ios::trunc);
    std::filesystem::resize_file(path, std::uint64_t{24} << 20);
    return path;
  }

  NewVolume Wanted(const std::string& name) {
    NewVolume wanted;
    wanted.entry.name = name;
    wanted.entry.device = Disk(name + ".img");
    return wanted;
  }

  EnrolledVolume Format(const std::string& name) {
    auto made = volumes_->Format(Soon(), Wanted(name));
    EXPECT_THAT(made, testing::IsOk());
    return made.ok() ? *std::move(made) : EnrolledVolume();
  }

  TestedVolume Test(const VolumeSecret& secret = {}) {
    auto tested = volumes_->Test(Soon(), "data", secret);
    EXPECT_THAT(tested, testing::IsOk());
    return tested.ok() ? *std::move(tested) : TestedVolume();
  }

  Volume Look() { return volumes_->Get(Soon(), "data").value_or(Volume()); }

  std::vector<WayInKind> Kinds() {
    std::vector<WayInKind> kinds;
    for (const WayInShown& way : Look().ways_in) kinds.push_back(way.kind);
    return kinds;
  }

  std::string platform_ = "/";  // whose memory it is
  Events events_;
  std::unique_ptr<Volumes> volumes_;
};

}  // namespace seaworthy::volumes
