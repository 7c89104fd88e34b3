#include "seaworthy/modules/volumes/update.h"

#include "component/modules/volumes/boot_fixture.h"
#include "seaworthy/modules/volumes/ways.h"
#include "unit/modules/volumes/uki_boot.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::SizeIs;

constexpr tpm::PcrSelection kSelection = {tpm::HashAlgorithm::kSha256, kUkiPcrs};

class UpdateTest : public BootTest {
 protected:
  UpdateTest() { maker_.MakeKey("a"); }

  std::string Put(const std::string& name, const Bytes& content) const {
    EXPECT_THAT(ReplaceFile(root_ / name, content, 0600), IsOk());
    return root_ / name;
  }

  std::vector<PcrFit> Fits(const BootState& state) const {
    std::vector<PcrFit> fits;
    for (const TpmWay& way :
         DescribeTpmWays(HeaderCopy::Take(path_)->header().metadata, state.pcrs)) {
      fits.push_back(way.fit);
    }
    return fits;
  }

  const verify::PeMaker maker_;
};

TEST_F(UpdateTest, AVolumeEnrolledAheadOpensAfterTheUpdateAndNotBefore) {
  const Bytes before = MakeUki(maker_, "kernel 1", "quiet", "initrd 1");
  const Bytes after = MakeUki(maker_, "kernel 2", "quiet", "initrd 2");
  Boot(UkiLog(before, {}), {"enter-initrd", "leave-initrd", "sysinit", "ready"});
  const BootState now = Now();

  Update update;
  update.files = {{"", Put("before.efi", before), Put("after.efi", after)}};
  update.variables = {{"dbx", Put("dbx", {1, 2, 3})}};
  const auto predicted = PredictUpdate(now, kSelection, update, {"enter-initrd"});
  ASSERT_THAT(predicted, IsOk());
  ASSERT_THAT(predicted->values, SizeIs(4));
  const auto made = MakeVolume(AddWays({{.policy = {.pcrs = predicted->policy}}}, true));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Fits(now), ::testing::ElementsAre(PcrFit::kDiffers));

  Boot(UkiLog(after, {1, 2, 3}), {"enter-initrd"});
  for (const tpm::PcrValue& value : predicted->values) {
    EXPECT_EQ(Hex(value.digest), PcrRead(value.index)) << value.index;
  }
  EXPECT_THAT(Fits(Now()), ::testing::ElementsAre(PcrFit::kFits));
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_EQ(unlocked->way.token, made[0].token);
  EXPECT_THAT(Opens(unlocked->way), IsOk());

  // And in the initrd alone.
  ASSERT_TRUE(Shell("tpm2_pcrextend 11:sha256=" +
                    Hex(verify::HashIn({TPM2_ALG_SHA256, 32}, verify::ToBytes("leave-initrd")))));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
}

}  // namespace
}  // namespace seaworthy::volumes
