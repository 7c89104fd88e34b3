// A guarded volume, and what its header says.
#pragma once

#include <algorithm>

#include "component/modules/volumes/clear_data.h"
#include "component/modules/volumes/locks.h"
#include "component/modules/volumes/volume_fixture.h"
#include "seaworthy/modules/volumes/tokens.h"

namespace seaworthy::volumes {

class GuardedVolumeTest : public VolumeTest {
 protected:
  // What opens the volume now, with the copy of its header.
  struct Open {
    HeaderCopy copy;
    Unlocked unlocked;
  };
  Open OpenNow() {
    auto copy = HeaderCopy::Take(path_, Reencryption::kExpected);
    EXPECT_THAT(copy, testing::IsOk());
    auto unlocked = Unlock(*broker_, Soon(), *copy, {});
    EXPECT_THAT(unlocked, testing::IsOk());
    return {*std::move(copy), *std::move(unlocked)};
  }

  Luks2Header HeaderNow() const {
    return HeaderCopy::Take(path_, Reencryption::kExpected).value().header();
  }
  GuardRecord RecordNow() const { return FindGuard(HeaderNow().metadata).value(); }

  std::vector<std::string> TokenTypes() const {
    std::vector<std::string> types;
    for (const auto& [number, token] : HeaderNow().metadata.tokens) types.push_back(token.type);
    std::ranges::sort(types);
    return types;
  }

  // The name of the guard key, as the way in sees it.
  std::string KeyId(const OpenWayIn& way) {
    const auto copy = HeaderCopy::Take(path_);
    EXPECT_THAT(copy, testing::IsOk());
    const auto areas = DigestKeyslotAreas(copy->fd(), copy->header().metadata);
    const std::uint32_t index = RecordNow().nv_index;
    const auto counter =
        Run([&](tpm::Context& context) { return ReadGuardCounter(context, index); });
    const auto proof = CheckGuard({copy->header(), *areas}, way.way_in(), *counter);
    EXPECT_THAT(proof, testing::IsOk());
    return proof.ok() ? proof->key_id : "";
  }

  // A keyslot with a person's passphrase beside them.
  static Change AddPassphrase(const std::string& passphrase) {
    return [passphrase](Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
      RETURN_IF_ERROR(luks.AddKeyslot(key, Secret(passphrase), {}).status());
      return std::vector<OpenWayIn>();
    };
  }

  bool OpensNothing(std::string_view passphrase) const {
    const auto luks = Luks::Open(path_);
    EXPECT_THAT(luks, testing::IsOk());
    return std::ranges::none_of(luks->Keyslots(), [&](const Keyslot& keyslot) {
      return luks->VolumeKey(Secret(passphrase), keyslot.id).ok();
    });
  }

  // Data of as many MiB on the volume that MakeVolume made.
  void Fill(std::uint64_t mib) {
    std::filesystem::resize_file(path_, testing::kDataOffset + (mib << 20));
    data_.resize(mib << 20);
    for (std::size_t i = 0; i < data_.size(); ++i) {
      data_[i] = static_cast<std::uint8_t>(i * 7 + i / 4096);
    }
    testing::WriteClear(path_, data_, testing::KeyOf(1), SectorSize());
  }

  std::size_t SectorSize() const {
    return HeaderNow().metadata.segments.begin()->second.sector_size;
  }

  bool HasData(const SecretBytes& volume_key) const {
    return testing::ReadClear(path_, volume_key, SectorSize()) == data_;
  }
  bool HasData(const OpenWayIn& way) const {
    const auto key = Luks::Open(path_)->VolumeKey(way.passphrase, static_cast<int>(way.keyslot));
    EXPECT_THAT(key, testing::IsOk());
    return key.ok() && HasData(*key);
  }

  Bytes data_;
};

}  // namespace seaworthy::volumes
