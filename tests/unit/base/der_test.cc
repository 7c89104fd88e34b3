#include "seaworthy/der.h"

#include <gmock/gmock.h>

namespace seaworthy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Bytes kOne = {0x30, 0x03, 0x02, 0x01, 0x07};
const Bytes kLong = [] {
  Bytes bytes = {0x30, 0x82, 0x01, 0x00};
  bytes.resize(4 + 0x100, 0x05);
  return bytes;
}();

Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(SplitSequences, TakesThemApart) {
  EXPECT_THAT(SplitSequences({}), IsEmpty());
  EXPECT_THAT(SplitSequences(kOne), ElementsAre(kOne));
  EXPECT_THAT(SplitSequences(Join({kOne, kLong, kOne})), ElementsAre(kOne, kLong, kOne));
}

TEST(SplitSequences, LeavesPaddingOut) {
  EXPECT_THAT(SplitSequences(Bytes(100, 0x00)), IsEmpty());
  EXPECT_THAT(SplitSequences(Bytes(100, 0xff)), IsEmpty());
  EXPECT_THAT(SplitSequences(Join({kOne, Bytes(9, 0x00)})), ElementsAre(kOne));
  EXPECT_THAT(SplitSequences(Join({kLong, Bytes(9, 0xff)})), ElementsAre(kLong));
}

TEST(SplitSequences, HandsOnWhatIsNone) {
  const Bytes mixed = {0x00, 0xff};
  EXPECT_THAT(SplitSequences(Join({kOne, mixed})), ElementsAre(kOne, mixed));
  EXPECT_THAT(SplitSequences(Bytes{0x30}), ElementsAre(Bytes{0x30}));
  for (std::size_t size = 1; size < kLong.size(); size += 50) {
    const Bytes cut(kLong.begin(), kLong.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THAT(SplitSequences(cut), ElementsAre(cut));
  }
}

TEST(SplitSequences, TakesLengthsInMoreOctetsThanTheyNeed) {
  const Bytes padded = {0x30, 0x82, 0x00, 0x01, 0x05};
  EXPECT_THAT(SplitSequences(Join({padded, kOne})), ElementsAre(padded, kOne));
  for (const Bytes& bad :
       {Bytes{0x30, 0x80, 0x00, 0x00, 0x01}, Bytes{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01},
        Bytes{0x30, 0x85, 0x00, 0x00, 0x00, 0x00, 0x01, 0x05}, Bytes{0x30, 0xff, 0x01},
        Bytes{0x31, 0x01, 0x05}}) {
    EXPECT_THAT(SplitSequences(bad), ElementsAre(bad));
  }
}

}  // namespace
}  // namespace seaworthy
