#include "modules/docker/hardening/course.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using seaworthy::testing::Fails;
using ::testing::Optional;

constexpr EngineVersion k20_10 = {20, 10, 24};

EngineSituation Engine(const std::vector<std::string>& arguments = {}, bool swarm = false) {
  return {k20_10, ParseEngineFlags(arguments, k20_10), swarm};
}

Course Plot(const std::optional<std::string>& from, const std::optional<std::string>& to,
            const EngineSituation& engine = Engine(), Effect least = Effect::kNone) {
  Result<Course> course = PlotCourse(from, to, least, engine);
  EXPECT_TRUE(course.ok()) << course.status();
  return course.ok() ? *std::move(course) : Course();
}

json Of(const std::optional<std::string>& text) {
  return text ? json::parse(*text) : json("absent");
}

TEST(Course, TheSameIsNoWay) {
  const Course course = Plot(R"({"icc": false})", R"({ "icc":false })");
  EXPECT_EQ(course.effect, Effect::kNone);
}

TEST(Course, WhatIsReloadedNeedsNoRestart) {
  const Course course = Plot(R"({"debug": false})", R"({"debug": true, "labels": ["a=b"]})");
  EXPECT_EQ(course.effect, Effect::kReload);
  EXPECT_TRUE(course.keeps_containers);
  EXPECT_EQ(course.ready, std::nullopt);
  EXPECT_EQ(course.settled, std::nullopt);
  EXPECT_EQ(course.taken, course.last);
}

// SIGHUP leaves what is no longer in the file as it was.
TEST(Course, AKeyThatGoesIsSetBackByItsDefault) {
  const Course course =
      Plot(R"({"debug": true, "labels": ["a=b"], "default-ipc-mode": "shareable"})", "{}");
  EXPECT_EQ(course.effect, Effect::kReload);
  EXPECT_EQ(Of(course.taken),
            json({{"debug", false}, {"labels", json::array()}, {"default-ipc-mode", "private"}}));
  EXPECT_EQ(course.last, "{}");
}

TEST(Course, WithoutAFileAtTheEndTheEngineStillGetsTheDefaults) {
  const Course course = Plot(R"({"debug": true})", std::nullopt);
  EXPECT_EQ(Of(course.taken), json({{"debug", false}}));
  EXPECT_EQ(course.last, std::nullopt);
}

TEST(Course, ContainersLiveThroughARestartAlsoWhereNobodyWantsLiveRestore) {
  const Course course = Plot(std::nullopt, R"({"no-new-privileges": true})");
  EXPECT_EQ(course.effect, Effect::kRestart);
  EXPECT_TRUE(course.keeps_containers);
  EXPECT_EQ(Of(course.ready), json({{"live-restore", true}}));
  EXPECT_EQ(Of(course.taken), json({{"live-restore", true}, {"no-new-privileges", true}}));
  EXPECT_EQ(Of(course.settled), json({{"live-restore", false}, {"no-new-privileges", true}}));
  EXPECT_THAT(course.last, Optional(std::string(R"({"no-new-privileges": true})")));
}

TEST(Course, WhereItIsWantedItStays) {
  const Course course =
      Plot(R"({"icc": true})", R"({"live-restore": true, "no-new-privileges": true})");
  EXPECT_EQ(Of(course.ready), json({{"icc", true}, {"live-restore", true}}));
  EXPECT_EQ(course.taken, course.last);
  EXPECT_EQ(course.settled, std::nullopt);
  const Course back = Plot(R"({"live-restore": true, "no-new-privileges": true})", R"({})");
  EXPECT_EQ(back.ready, std::nullopt);
  EXPECT_EQ(Of(back.taken), json({{"live-restore", true}}));
  EXPECT_EQ(Of(back.settled), json({{"live-restore", false}}));
}

TEST(Course, InASwarmContainersAreNotKept) {
  const Course course = Plot("{}", R"({"no-new-privileges": true})", Engine({}, true));
  EXPECT_FALSE(course.keeps_containers);
  EXPECT_EQ(course.ready, std::nullopt);
}

// In the file as well it would keep the engine from starting.
TEST(Course, TheFlagIsNotPutIntoTheFile) {
  const Course kept = Plot("{}", R"({"no-new-privileges": true})", Engine({"--live-restore"}));
  EXPECT_TRUE(kept.keeps_containers);
  EXPECT_EQ(kept.ready, std::nullopt);
  EXPECT_EQ(kept.taken, kept.last);
  const Course lost =
      Plot("{}", R"({"no-new-privileges": true})", Engine({"--live-restore=false"}));
  EXPECT_FALSE(lost.keeps_containers);
  EXPECT_EQ(lost.taken, lost.last);
}

TEST(Course, ContainersOfAnotherRootAreNotKept) {
  for (const char* const to :
       {R"({"userns-remap": "default"})", R"({"data-root": "/srv/docker"})",
        R"({"features": {"containerd-snapshotter": true}})", R"({"storage-driver": "vfs"})"}) {
    const Course course = Plot("{}", to, Engine(), Effect::kRestart);
    EXPECT_TRUE(course.ends_containers) << to;
    EXPECT_FALSE(course.keeps_containers) << to;
  }
  EXPECT_FALSE(Plot("{}", R"({"features": {"buildkit": true}})", Engine(), Effect::kRestart)
                   .ends_containers);
}

TEST(Course, OtherFilesNeedARestart) {
  EXPECT_EQ(Plot("{}", "{}", Engine(), Effect::kRestart).effect, Effect::kRestart);
}

TEST(Course, ATextThatIsNoneIsRefused) {
  EXPECT_THAT(PlotCourse("{", "{}", Effect::kNone, Engine()),
              Fails(Code::kInvalidArgument, "DAEMON_JSON_MALFORMED"));
}

}  // namespace
}  // namespace seaworthy::docker
