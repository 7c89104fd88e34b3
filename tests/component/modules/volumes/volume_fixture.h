// Volumes in files, sealed to a software TPM of their own.
#pragma once

#include <openssl/evp.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "component/modules/volumes/secrets.h"
#include "component/tpm/fixture.h"
#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"
#include "tpm/context.h"

namespace seaworthy::volumes {

using seaworthy::testing::Secret;

inline constexpr tpm::PcrSelection kSealPcrs = {tpm::HashAlgorithm::kSha256, 1U << 7 | 1U << 14};

class VolumeTest : public tpm::TpmTest {
 protected:
  tpm::SealPolicy PcrsAsTheyAre() {
    const auto values =
        Run([](tpm::Context& context) { return tpm::ReadPcrs(context, {kSealPcrs}); });
    return {.pcrs = {kSealPcrs, tpm::PcrDigest(*values)}};
  }

  void ExtendPcr(int pcr) {
    ASSERT_TRUE(Shell("tpm2_pcrextend " + std::to_string(pcr) + ":sha256=" + std::string(64, '1')));
  }

  Change AddWays(std::vector<TpmWayIn> ways, bool recovery = false) {
    return [this, ways = std::move(ways), recovery](
               Luks& luks, const SecretBytes& volume_key) -> Result<std::vector<OpenWayIn>> {
      std::vector<OpenWayIn> added;
      for (const TpmWayIn& way : ways) {
        ASSIGN_OR_RETURN(added.emplace_back(),
                         AddTpmWayIn(*broker_, Soon(), luks, volume_key, way));
      }
      if (recovery) {
        ASSIGN_OR_RETURN(added.emplace_back(), AddRecoveryKey(*broker_, Soon(), luks, volume_key));
      }
      return added;
    };
  }

  // A volume of 8 MiB in the file "volume".
  std::vector<OpenWayIn> MakeVolume(const Change& ways, std::uint64_t keyslots_mib = 3) {
    std::ofstream(path_, std::ios::trunc);
    std::filesystem::resize_file(path_, std::uint64_t{8} << 20);
    FormatOptions options;
    options.keyslots_bytes = keyslots_mib << 20;
    EXPECT_THAT(Luks::Format(path_, testing::KeyOf(1), options), testing::IsOk());
    auto copy = HeaderCopy::Take(path_);
    EXPECT_THAT(copy, testing::IsOk());
    auto made = FirstWaysIn(*broker_, Soon(), *copy, testing::KeyOf(1), ways);
    EXPECT_THAT(made, testing::IsOk());
    return made.ok() ? *std::move(made) : std::vector<OpenWayIn>();
  }

  Result<Unlocked> UnlockVolume(const UnlockOptions& options = {}) {
    const auto copy = HeaderCopy::Take(path_);
    if (!copy.ok()) return copy.status();
    return Unlock(*broker_, Soon(), *copy, options);
  }

  Result<Unlocked> UnlockByKey(std::string_view typed) {
    const auto copy = HeaderCopy::Take(path_);
    if (!copy.ok()) return copy.status();
    return UnlockByRecoveryKey(*broker_, Soon(), *copy, Secret(typed), {});
  }

  // Whether what came out opens the keyslot that it is said to open, on the disk.
  Status Opens(const OpenWayIn& way) {
    const auto luks = Luks::Open(path_);
    if (!luks.ok()) return luks.status();
    return luks->TestPassphrase(way.passphrase, static_cast<int>(way.keyslot)).status();
  }

  Result<std::vector<OpenWayIn>> ChangeVolume(const Change& change) {
    auto copy = HeaderCopy::Take(path_);
    if (!copy.ok()) return copy.status();
    const auto unlocked = Unlock(*broker_, Soon(), *copy, {});
    if (!unlocked.ok()) return unlocked.status();
    return ChangeHeader(*broker_, Soon(), *copy, *unlocked, change);
  }

  Bytes Content() const { return ReadFile(path_, std::size_t{64} << 20).value(); }
  void SetContent(ByteView bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << AsText(bytes);
  }

  const std::string path_ = root_ / "volume";
};

}  // namespace seaworthy::volumes
