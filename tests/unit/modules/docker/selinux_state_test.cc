// What SELinux's state means for the engine, and the labels it goes by.
#include "seaworthy/modules/docker/selinux_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "modules/docker/selinux_labels.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kContainer = "system_u:system_r:container_t:s0";

// A host where all is as it should be.
SelinuxState Working() {
  SelinuxState state;
  state.in_kernel = true;
  state.mode = SelinuxMode::kEnforcing;
  state.policy = "default";
  state.policy_version = 33;
  state.contexts_file = "/etc/selinux/default/contexts/lxc_contexts";
  state.container_process = kContainer;
  state.container_file = "system_u:object_r:container_file_t:s0";
  state.container_process_valid = true;
  state.container_file_valid = true;
  state.engine = {true, "system_u:system_r:dockerd_t:s0-s0:c0.c1023",
                  "system_u:system_r:dockerd_t:s0-s0:c0.c1023", true, true};
  state.containerd = state.engine;
  return state;
}

TEST(SelinuxState, NothingIsMissingWhereItWorks) {
  EXPECT_THAT(MissingForSelinux(Working()), IsEmpty());
  EXPECT_EQ(WhySelinuxWouldNotWork(Working()), "");
}

TEST(SelinuxState, AHostWithoutItSaysThatAlone) {
  EXPECT_THAT(MissingForSelinux(SelinuxState()),
              ElementsAre(HasSubstr("the kernel runs without SELinux")));
  SelinuxState state;
  state.in_kernel = true;
  EXPECT_THAT(MissingForSelinux(state), ElementsAre(HasSubstr("no policy is loaded")));
}

TEST(SelinuxState, PermissiveKeepsNothingApart) {
  SelinuxState state = Working();
  state.mode = SelinuxMode::kPermissive;
  EXPECT_THAT(WhySelinuxWouldNotWork(state), HasSubstr("permissive"));
}

TEST(SelinuxState, TheEngineTakesItsLabelsFromAFile) {
  SelinuxState state = Working();
  state.container_file.clear();
  EXPECT_THAT(MissingForSelinux(state),
              ElementsAre(HasSubstr("lxc_contexts names no labels for containers")));
}

TEST(SelinuxState, DebiansPolicyNamesATypeThatItHasNot) {
  SelinuxState state = Working();
  state.container_process_valid = false;
  EXPECT_THAT(MissingForSelinux(state), ElementsAre(HasSubstr("has no container_t, which")));
  state.container_process_valid = true;
  state.container_file_valid = false;
  EXPECT_THAT(MissingForSelinux(state), ElementsAre(HasSubstr("has no container_file_t, which")));
}

TEST(SelinuxState, WhatStartsContainersMustBeAllowedTo) {
  SelinuxState state = Working();
  state.engine.label = "system_u:system_r:initrc_t:s0";
  state.engine.may_start = false;
  EXPECT_THAT(MissingForSelinux(state),
              ElementsAre(HasSubstr("dockerd runs as initrc_t, which may not start containers as "
                                    "container_t; relabelled and started anew it runs as "
                                    "dockerd_t, which may")));
  state.containerd.may_start = false;
  state.containerd.next_may_start = false;
  ASSERT_THAT(MissingForSelinux(state), SizeIs(2));
  EXPECT_THAT(MissingForSelinux(state)[1],
              HasSubstr("the policy does not let containerd (dockerd_t) start"));
}

TEST(SelinuxState, AnEngineThatDoesNotRunIsJudgedByWhatItWouldRunAs) {
  SelinuxState state = Working();
  state.engine.seen = false;
  state.engine.label.clear();
  state.engine.may_start = false;
  EXPECT_THAT(MissingForSelinux(state), IsEmpty());
  state.files = {
      {"/usr/sbin/dockerd", "system_u:object_r:bin_t:s0", "system_u:object_r:dockerd_exec_t:s0"}};
  EXPECT_THAT(MissingForSelinux(state),
              ElementsAre("/usr/sbin/dockerd is to be relabelled before it starts"));
  state.engine.next_may_start = false;
  EXPECT_THAT(MissingForSelinux(state),
              ElementsAre(HasSubstr("the policy does not let dockerd (dockerd_t) start")));
  state.engine.next.clear();
  EXPECT_THAT(MissingForSelinux(state), ElementsAre(HasSubstr("dockerd is not there")));
}

TEST(SelinuxState, WhatHasAnotherTypeIsToBeRelabelled) {
  SelinuxState state = Working();
  const std::string wanted = "system_u:object_r:container_file_t:s0";
  state.files = {
      {"/usr/sbin/dockerd", "system_u:object_r:bin_t:s0", "system_u:object_r:dockerd_exec_t:s0"},
      {"/other/user/and/categories", "unconfined_u:object_r:container_file_t:s0:c1,c2", wanted},
      {"/not/in/the/policy", "system_u:object_r:etc_t:s0", ""},
      {"/without/a/label", "", wanted}};
  EXPECT_THAT(PlannedRelabels(state), ElementsAre("/usr/sbin/dockerd", "/without/a/label"));
}

TEST(SelinuxState, IsOneJsonObject) {
  SelinuxState state = Working();
  state.booleans["container_use_nfs"] = true;
  state.files = {
      {"/etc/docker", "system_u:object_r:etc_t:s0", "system_u:object_r:container_config_t:s0"}};
  nlohmann::json json = nlohmann::json::parse(ToJson(state));
  EXPECT_EQ(json["works"], true);
  EXPECT_EQ(json["mode"], "enforcing");
  EXPECT_EQ(json["container_process"], kContainer);
  EXPECT_EQ(json["booleans"]["container_use_nfs"], true);
  EXPECT_EQ(json["dockerd"]["may_start_containers"], true);
  EXPECT_EQ(json["relabel"], nlohmann::json::array({"/etc/docker"}));
  EXPECT_TRUE(json["engine_labels"].is_null());
  state.engine_labels = false;
  state.mode = SelinuxMode::kDisabled;
  json = nlohmann::json::parse(ToJson(state));
  EXPECT_EQ(json["works"], false);
  EXPECT_EQ(json["missing"].size(), 1U);
  EXPECT_EQ(json["engine_labels"], false);
}

TEST(SelinuxLabels, AContainerHasItsTypeAndTwoCategories) {
  EXPECT_THAT(CheckContainerLabel("system_u:system_r:container_t:s0:c24,c1023"), IsOk());
  EXPECT_THAT(CheckContainerLabel("system_u:system_r:svirt_t:s0:c0,c1", "svirt_t"), IsOk());
}

TEST(SelinuxLabels, NothingElseIsAContainers) {
  for (const char* label :
       {"", "unconfined", "unconfined\n", "system_u:system_r:spc_t:s0",
        "system_u:system_r:container_t", "system_u:system_r:container_t:s0",
        "system_u:system_r:dockerd_t:s0:c1,c2", "system_u:system_r:container_t:s0:c1",
        "system_u:system_r:container_t:s0:c1,c1", "system_u:system_r:container_t:s0:c1.c5",
        "system_u:system_r:container_t:s0:c1,c2,c3", "system_u:system_r:container_t:s0:c1,c1024",
        "system_u:system_r:container_t:s0:c1,2", "system_u:system_r:container_t:s0:c1,c-2",
        "system_u:system_r:container_t:s0:c1,c2x", "system_u:system_r:container_t:s0-s0:c1,c2",
        "::container_t:s0:c1,c2"}) {
    EXPECT_THAT(CheckContainerLabel(label), Fails(Code::kFailedPrecondition, "CONTAINER_LABEL"))
        << label;
  }
}

TEST(SelinuxLabels, TypeAndLevelAreTakenApart) {
  EXPECT_EQ(SelinuxType("system_u:object_r:container_file_t:s0:c1,c2"), "container_file_t");
  EXPECT_EQ(SelinuxType("kernel"), "");
  EXPECT_EQ(WithLevel("system_u:system_r:container_t:s0", "s0:c1,c2"),
            "system_u:system_r:container_t:s0:c1,c2");
  EXPECT_EQ(WithLevel("system_u:system_r:container_t:s0:c7", "s0"), kContainer);
}

TEST(SelinuxLabels, FilesAreReadAsTheEngineReadsThem) {
  const ContainerContexts contexts = ParseContainerContexts(
      "# process = \"u:r:comment_t:s0\"\n; file = x\nnothing\n"
      "  process =\"system_u:system_r:container_t:s0\"  \n"
      "content = \"system_u:object_r:virt_var_lib_t:s0\"\n"
      "file = \"u:r:first_t:s0\"\nfile = \"system_u:object_r:container_file_t:s0\"\n");
  EXPECT_EQ(contexts.process, kContainer);
  EXPECT_EQ(contexts.file, "system_u:object_r:container_file_t:s0");
  EXPECT_EQ(ParseContainerContexts("").process, "");
  EXPECT_EQ(ParsePolicyType("# SELINUXTYPE=mls\nSELINUX=enforcing\nSELINUXTYPE=default\n"),
            "default");
  EXPECT_EQ(ParsePolicyType("SELINUX=disabled"), "");
}

}  // namespace
}  // namespace seaworthy::docker
