#include "ctl/progress.h"

#include <gmock/gmock.h>

#include <sstream>

namespace seaworthy::ctl {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class Progress : public ::testing::Test {
 protected:
  std::istringstream in_;
  std::ostringstream out_, err_;
};

TEST_F(Progress, IsALineThatIsWrittenOverAndGoes) {
  Terminal terminal{in_, out_, err_, false, false, true};
  {
    ProgressLine line(terminal);
    line.Show(7, 3 << 20);
    EXPECT_THAT(err_.str(), HasSubstr("7 files, 3.0 MiB; "));
    EXPECT_THAT(err_.str(), HasSubstr(" files/s, "));
    // So soon it is not shown again.
    line.Show(8, 3 << 20);
    EXPECT_THAT(err_.str(), Not(HasSubstr("\x1b[K8 files")));
  }
  EXPECT_THAT(err_.str(), EndsWith("\r\x1b[K"));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(Progress, IsSilentWhereNobodySees) {
  Terminal terminal{in_, out_, err_, true, true, false};
  {
    ProgressLine(terminal).Show(7, 3 << 20);
  }
  EXPECT_EQ(err_.str(), "");
}

}  // namespace
}  // namespace seaworthy::ctl
