#include "modules/docker/engine_version.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::Fails;

TEST(EngineVersion, IsThreeNumbersWhateverFollows) {
  EXPECT_EQ(ParseEngineVersion("20.10.24+dfsg1").value(), (EngineVersion{20, 10, 24}));
  EXPECT_EQ(ParseEngineVersion("29.0.0-rc.1").value(), (EngineVersion{29, 0, 0}));
  EXPECT_EQ(ToText(ParseEngineVersion("28.5.2").value()), "28.5.2");
  EXPECT_LT((EngineVersion{20, 10, 24}), (EngineVersion{23, 0, 0}));
  EXPECT_LT((EngineVersion{28, 1, 9}), (EngineVersion{28, 2, 0}));
}

TEST(EngineVersion, NothingElseIsOne) {
  for (const char* text : {"", "20", "20.10", "20.10.", "v20.10.1", "20..1", "-1.0.0",
                           "99999999999.0.0", "dev", " 20.10.24"}) {
    EXPECT_THAT(ParseEngineVersion(text), Fails(Code::kInvalidArgument, "ENGINE_VERSION")) << text;
  }
}

}  // namespace
}  // namespace seaworthy::docker
