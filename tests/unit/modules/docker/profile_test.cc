#include "modules/docker/hardening/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "modules/docker/daemon_key.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/words.h"
#include "support/status_matchers.h"
#include "system_files.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// With one setting, in whose place there may be others.
std::string ProfileOf(const std::string& settings, const std::string& name = "site") {
  return R"({"name": ")" + name + R"(", "description": "A site's.", "settings": [)" + settings +
         "]}";
}
constexpr const char* kIcc = R"({"key": "icc", "value": false, "why": "w"})";

TEST(Profile, IsReadFieldByField) {
  const Result<Profile> profile = ParseProfile(R"({
    "name": "site-1", "description": "A site's.", "canary": true, "reapply": true, "settings": [
      {"key": "icc", "value": false, "why": "no talk"},
      {"key": "log-opts", "value": {"max-size": "1m"}, "why": "rotates", "since": "23.0.0",
       "until": "28.2.0", "only": "local-logs"}]})");
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->name, "site-1");
  EXPECT_EQ(profile->description, "A site's.");
  EXPECT_TRUE(profile->canary);
  EXPECT_TRUE(profile->reapply);
  ASSERT_THAT(profile->settings, SizeIs(2));
  EXPECT_EQ(profile->settings[0].key, "icc");
  EXPECT_EQ(profile->settings[0].value, false);
  EXPECT_EQ(profile->settings[0].why, "no talk");
  EXPECT_EQ(profile->settings[0].since, EngineVersion());
  EXPECT_EQ(profile->settings[1].since, (EngineVersion{23, 0, 0}));
  EXPECT_EQ(profile->settings[1].until, (EngineVersion{28, 2, 0}));
  EXPECT_EQ(profile->settings[1].only, "local-logs");
}

TEST(Profile, NamesTheFieldThatIsWrong) {
  const auto setting = [](const char* more) {
    return ProfileOf(R"({"key": "icc", "value": false, "why": "w")" + std::string(more) + "}");
  };
  const auto value = [](const char* key, const char* wanted) {
    return ProfileOf(std::string(R"({"why": "w", "key": ")") + key + R"(", "value": )" + wanted +
                     "}");
  };
  const std::pair<std::string, const char*> bad[] = {
      {"", "no JSON object"},
      {"[]", "no JSON object"},
      {"\xef\xbb\xbf" + ProfileOf(kIcc), "byte order mark"},
      {ProfileOf(kIcc) + "// it ends", "no JSON object"},
      {R"({"name": "a", "description": "d"})", "/settings: is missing"},
      {ProfileOf(""), "/settings: is no list, or an empty one"},
      {ProfileOf("1"), "/settings/0: is not an object"},
      {ProfileOf(kIcc, "Site"), "/name: is not of small letters"},
      {ProfileOf(kIcc, "../site"), "/name: is not of small letters"},
      {ProfileOf(kIcc, ""), "/name: is not of small letters"},
      {R"({"name": "a", "name": "b", "description": "d", "settings": []})", "twice"},
      {R"({"name": "a", "settings": []})", "/description: is missing"},
      {R"({"name": "a", "description": "d", "cannary": true, "settings": [)" + std::string(kIcc) +
           "]}",
       "/cannary: is no field of a profile"},
      {setting(R"(, "effect": "none")"), "/settings/0/effect: is no field of a profile's setting"},
      {setting(R"(, "only": "weekdays")"), "/settings/0/only: is not one of selinux"},
      {setting(R"(, "only": "")"), "/settings/0/only"},
      {setting(R"(, "since": "23")"), "/settings/0/since: is no version"},
      {setting(R"(, "since": "23.0.0-rc1")"), "/settings/0/since: is no version"},
      {setting(R"(, "until": "20.9.0", "since": "21.0.0")"), "no engine has in these versions"},
      {ProfileOf(R"({"key": "icc", "value": false})"), "/settings/0/why: is missing"},
      {ProfileOf(R"({"key": "icc", "value": false, "why": ""})"), "/settings/0/why: is empty"},
      {ProfileOf(R"({"key": "icc", "value": false, "why": "a\nb"})"), "/settings/0/why: is more"},
      {ProfileOf(R"({"key": "icc", "why": "w"})"), "/settings/0/value: is missing"},
      {ProfileOf(std::string(kIcc) + "," + kIcc), "/settings/1/key: is there twice"},
      {value("ICC", "false"), "/settings/0/key: is no key of daemon.json"},
      {value("config-file", R"("/x")"), "/settings/0/key: is no key of daemon.json"},
      {value("", "false"), "/settings/0/key: is no key of daemon.json"},
      {value("icc", R"("false")"), "/settings/0/value: is not as the engine wants it"},
      {value("icc", "null"), "/settings/0/value: is null"},
      {value("mtu", "1.5"), "not whole"},
      {value("hosts", R"(["fd://", 1])"), "/settings/0/value: is not as the engine wants it"},
      {value("http-proxy", R"("http://a")"), "/settings/0/value: is not as the engine wants it"},
      // What would be smuggled by a group.
      {value("proxies", R"({"icc": true})"), "/settings/0/value: is not as the engine wants it"},
  };
  for (const auto& [text, told] : bad) {
    const Status status = ParseProfile(text).status();
    EXPECT_THAT(status, Fails(Code::kInvalidArgument, "PROFILE_MALFORMED")) << text;
    EXPECT_THAT(Message(status), HasSubstr(told)) << text;
  }
  EXPECT_THAT(ParseProfile(ProfileOf(kIcc) + std::string(10 << 20, ' ')),
              Fails(Code::kInvalidArgument, "PROFILE_MALFORMED"));
}

TEST(Profile, OneKeyMayDifferFromEngineToEngine) {
  const std::string two = ProfileOf(
      R"({"key": "icc", "value": false, "why": "w", "until": "23.0.0"},
         {"key": "icc", "value": true, "why": "w", "since": "23.0.0"})");
  EXPECT_TRUE(ParseProfile(two).ok()) << ParseProfile(two).status();
  // Keys of engines that are newer or older than this one.
  EXPECT_TRUE(ParseProfile(ProfileOf(R"({"key": "min-api-version", "value": "1.44", "why": "w"},
                                        {"key": "api-cors-header", "value": "", "why": "w"})"))
                  .ok());
}

class FindProfileTest : public ::testing::Test {
 protected:
  Result<Profile> Find(const std::string& name) { return FindProfile(files_.facts.root, name); }

  static constexpr const char* kSite = "/etc/seaworthy/docker-profiles/site.json";
  SystemFiles files_;
};

TEST_F(FindProfileTest, TakesTheSitesFirst) {
  files_.Write("/usr/share/seaworthy/docker-profiles/site.json", ProfileOf(kIcc));
  EXPECT_TRUE(Find("site").ok()) << Find("site").status();
  files_.Write(kSite, ProfileOf(R"({"key": "debug", "value": false, "why": "w"})"));
  ASSERT_TRUE(Find("site").ok()) << Find("site").status();
  EXPECT_EQ(Find("site")->settings.front().key, "debug");
  EXPECT_THAT(Find("other"), Fails(Code::kNotFound, "PROFILE_ABSENT"));
}

TEST_F(FindProfileTest, TakesNoPathsForNames) {
  files_.Write("/etc/seaworthy/site.json", ProfileOf(kIcc));
  for (const char* const name : {"../site", "", "Site", "a/b", "site.json", "."}) {
    EXPECT_THAT(Find(name), Fails(Code::kInvalidArgument, "PROFILE_NAME")) << name;
  }
}

TEST_F(FindProfileTest, TellsTheFile) {
  files_.Write(kSite, "{");
  EXPECT_THAT(Message(Find("site").status()), HasSubstr(kSite));
  files_.Write(kSite, ProfileOf(kIcc, "others"));
  EXPECT_THAT(Find("site"), Fails(Code::kInvalidArgument, "PROFILE_MALFORMED"));
}

// Who may write a profile says with what the engine runs, and is root.
TEST_F(FindProfileTest, TakesOnlyWhatRootAloneMayWrite) {
  const auto refused = Fails(Code::kFailedPrecondition, "PROFILE_UNSAFE");
  // In none of these is the shipped profile a way out.
  files_.Write("/usr/share/seaworthy/docker-profiles/site.json", ProfileOf(kIcc));
  files_.Write(kSite, ProfileOf(kIcc));
  for (const mode_t mode : {0664U, 0646U, 0666U}) {
    files_.Mode(kSite, mode);
    EXPECT_THAT(Find("site"), refused) << mode;
  }
  files_.Mode(kSite, 0644);
  EXPECT_TRUE(Find("site").ok());
  ASSERT_EQ(chown(files_.At(kSite).c_str(), 65534, 0), 0);
  EXPECT_THAT(Find("site"), refused);
  ASSERT_EQ(chown(files_.At(kSite).c_str(), 0, 0), 0);
  for (const char* const folder : {"/etc/seaworthy/docker-profiles", "/etc/seaworthy", "/etc"}) {
    files_.Mode(folder, 0775);
    EXPECT_THAT(Find("site"), refused) << folder;
    files_.Mode(folder, 0755);
    ASSERT_EQ(chown(files_.At(folder).c_str(), 65534, 0), 0);
    EXPECT_THAT(Find("site"), refused) << folder;
    ASSERT_EQ(chown(files_.At(folder).c_str(), 0, 0), 0);
  }
  EXPECT_TRUE(Find("site").ok());
}

TEST_F(FindProfileTest, FollowsNoLinks) {
  const auto refused = Fails(Code::kFailedPrecondition, "PROFILE_UNSAFE");
  files_.Write("/usr/share/seaworthy/docker-profiles/site.json", ProfileOf(kIcc));
  files_.Link("/usr/share/seaworthy/docker-profiles/site.json", kSite);
  EXPECT_THAT(Find("site"), refused);
  std::filesystem::remove(files_.At(kSite));
  files_.Link("/nowhere", kSite);
  EXPECT_THAT(Find("site"), refused);
  std::filesystem::remove(files_.At(kSite));
  files_.Folder(kSite);
  EXPECT_THAT(Find("site"), refused);
  std::filesystem::remove_all(files_.At("/etc/seaworthy"));
  files_.Link("/usr/share/seaworthy", "/etc/seaworthy");
  EXPECT_THAT(Find("site"), refused);
}

// Those in policies/docker/, which are installed.
class ShippedProfile : public ::testing::TestWithParam<const char*> {};

TEST_P(ShippedProfile, IsOne) {
  SystemFiles files;
  std::filesystem::create_directories(files.At("/usr/share/seaworthy/docker-profiles"));
  const std::string name = GetParam();
  std::filesystem::copy(SOURCE_DIR "/policies/docker/" + name + ".json",
                        files.At("/usr/share/seaworthy/docker-profiles"));
  const Result<Profile> profile = FindProfile(files.facts.root, name);
  ASSERT_TRUE(profile.ok()) << profile.status();
  for (const ProfileSetting& setting : profile->settings) {
    // What nobody can say who does not know the site.
    EXPECT_THAT((std::vector<std::string>{"hosts", "tls", "tlsverify", "tlscacert", "tlscert",
                                          "tlskey", "authorization-plugins", "registry-mirrors",
                                          "data-root", "group", "storage-driver"}),
                ::testing::Not(::testing::Contains(setting.key)));
  }
}
INSTANTIATE_TEST_SUITE_P(Each, ShippedProfile, ::testing::Values("standard", "strict"));

std::string Text(const std::string& path) {
  std::ifstream file(SOURCE_DIR + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The table in the documentation: its cells by key.
std::map<std::string, std::vector<std::string_view>> Documented(std::string_view page) {
  std::map<std::string, std::vector<std::string_view>> rows;
  for (const std::string_view line : Split(page, '\n')) {
    const std::vector<std::string_view> cells = Split(line, '|');
    if (cells.size() != 8 || !cells[1].starts_with(" `")) continue;
    rows[std::string(cells[1].substr(2, cells[1].size() - 4))] = cells;
  }
  return rows;
}

TEST(ShippedProfiles, AreAsTheDocumentationHasThem) {
  const std::string page = Text("/docs/modules/docker-profiles.md");
  const auto rows = Documented(page);
  std::set<std::string> in_any;
  std::size_t column = 2;
  for (const std::string name : {"standard", "strict"}) {
    const Result<Profile> profile = ParseProfile(Text("/policies/docker/" + name + ".json"));
    ASSERT_TRUE(profile.ok()) << profile.status();
    std::size_t filled = 0;
    for (const auto& [key, cells] : rows) filled += cells[column] == " " ? 0 : 1;
    EXPECT_EQ(filled, profile->settings.size()) << name;
    for (const ProfileSetting& setting : profile->settings) {
      in_any.insert(setting.key);
      ASSERT_TRUE(rows.contains(setting.key)) << name << " " << setting.key;
      const std::vector<std::string_view>& cells = rows.at(setting.key);
      EXPECT_EQ(cells[column], " `" + setting.value.dump() + "` ") << name << " " << setting.key;
      const DaemonKey& key = *FindKeyOfAnyVersion(setting.key);
      const EngineVersion since = std::max(key.since, setting.since);
      EXPECT_EQ(cells[4], since == EngineVersion() ? " any " : " " + ToText(since) + " ")
          << setting.key;
      EXPECT_EQ(cells[5], key.reloadable ? " reload " : " restart ") << setting.key;
      if (setting.only.empty()) continue;
      EXPECT_THAT(cells[6], HasSubstr("(`" + setting.only + "`)"));
    }
    ++column;
  }
  EXPECT_EQ(rows.size(), in_any.size());
}

}  // namespace
}  // namespace seaworthy::docker
