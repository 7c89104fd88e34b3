// Another volume key for a volume with data in it, through interruptions.
#include "seaworthy/modules/volumes/reencryption.h"

#include <gmock/gmock.h>

#include "component/modules/volumes/luks_fixture.h"

namespace seaworthy::testing {
namespace {

using ::testing::Not;
using volumes::KeyslotCost;
using volumes::Luks;
using volumes::ReencryptionState;

class ReencryptionTest : public LuksTest {
 protected:
  // The volume's content in clear, as openssl decrypts it with the volume key: 512-byte sectors,
  // AES-256-XTS, the sector's number as tweak.
  static Bytes Clear(const Luks& luks, const SecretBytes& key);

  Luks luks_ = MakeVolume();
};

TEST_F(ReencryptionTest, GivesTheVolumeItsNewKey) {
  const auto slots = volumes::StartReencryption(luks_, Secret("first"), {}, KeyOf(9));
  ASSERT_THAT(slots, IsOk());
  EXPECT_EQ(volumes::GetReencryptionState(luks_).value_or(ReencryptionState::kNone),
            ReencryptionState::kPaused);
  ASSERT_THAT(volumes::RunReencryption(luks_, Secret("first"), nullptr), IsOk());
  const Result<Luks> after = Luks::Open(luks_.path());
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(*volumes::GetReencryptionState(*after), ReencryptionState::kNone);
  EXPECT_THAT(after->VerifyVolumeKey(KeyOf(9)), IsOk());
  EXPECT_THAT(after->VerifyVolumeKey(KeyOf(1)), Not(IsOk()));
}

}  // namespace
}  // namespace seaworthy::testing
