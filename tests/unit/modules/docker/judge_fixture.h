// A family of checks over facts that a test fills in.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "modules/docker/audit.h"
#include "support/temp_root.h"

namespace seaworthy::docker {

class JudgeFixture : public ::testing::Test {
 protected:
  // An empty system's facts.
  explicit JudgeFixture(const CheckFamily& family) : family_(family) {}

  std::vector<Finding> Of(std::string_view check) const {
    Findings findings;
    family_.judge(facts_, policy_, findings);
    std::vector<Finding> of;
    for (Finding& finding : findings.Take()) {
      if (finding.check == check) of.push_back(std::move(finding));
    }
    return of;
  }

  // The check's only finding.
  Finding One(std::string_view check) const {
    std::vector<Finding> of = Of(check);
    EXPECT_THAT(of, ::testing::SizeIs(1)) << check;
    return of.empty() ? Finding() : of.front();
  }
  Outcome OutcomeOf(std::string_view check) const { return One(check).outcome; }

  const CheckFamily& family_;
  const testing::TempRoot root_;
  Facts facts_{os::RootFolder::Open(root_.path().string()).value()};
  SitePolicy policy_;
};

}  // namespace seaworthy::docker
