// Volume keys of two sources, with openssl's HKDF as the judge.
#include "modules/volumes/volume_key.h"

#include <gmock/gmock.h>

#include "component/modules/volumes/luks_fixture.h"

namespace seaworthy::testing {
namespace {

class VolumeKeyTest : public LuksTest {};

TEST_F(VolumeKeyTest, IsHkdfOfBothSources) {
  const Bytes kernel(64, 0x11);
  const Bytes tpm(32, 0x22);
  const Result<SecretBytes> key = volumes::MixRandomness(kernel, tpm);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->size(), volumes::kVolumeKeyBytes);
  const Output stock = RunProgram(
      "openssl kdf -keylen 64 -binary -kdfopt digest:SHA512 -kdfopt hexkey:" + Hex(kernel) +
      Hex(tpm) + " -kdfopt info:'seaworthy volume key' -out " + files_ / "key" + " HKDF");
  ASSERT_EQ(stock.status, 0) << stock.text;
  EXPECT_EQ(Hex(key->view()), Hex(ContentOf(files_ / "key")));
}

TEST_F(VolumeKeyTest, EachSourceDecides) {
  const Bytes tpm(32, 0x22);
  const std::string key = Hex(volumes::MixRandomness(Bytes(64, 1), tpm)->view());
  EXPECT_NE(key, Hex(volumes::MixRandomness(Bytes(64, 2), tpm)->view()));
  EXPECT_NE(key, Hex(volumes::MixRandomness(Bytes(64, 1), Bytes(32, 0x23))->view()));
  // The kernel's part is fresh each time.
  const Result<SecretBytes> made = volumes::MakeVolumeKey(tpm);
  ASSERT_THAT(made, IsOk());
  EXPECT_NE(Hex(made->view()), Hex(volumes::MakeVolumeKey(tpm)->view()));
  EXPECT_THAT(volumes::MakeVolumeKey(Bytes(31)),
              Fails(Code::kInvalidArgument, "RANDOMNESS_TOO_SHORT"));
  EXPECT_THAT(volumes::MixRandomness(Bytes(63), tpm),
              Fails(Code::kInvalidArgument, "RANDOMNESS_TOO_SHORT"));
}

}  // namespace
}  // namespace seaworthy::testing
