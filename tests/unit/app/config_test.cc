#include "app/config.h"

#include "seaworthy/directory.h"
#include "support/status_matchers.h"

namespace seaworthy::app {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;

constexpr char kShipped[] = SOURCE_DIR "/policies/seaworthyd.toml";

std::string ErrorOf(std::string_view text) {
  const Result<Config> config = ParseConfig(text, "f.toml");
  EXPECT_THAT(config, Fails(Code::kInvalidArgument, "INVALID_CONFIG"));
  return Message(config.status());
}

TEST(Config, ShippedFileIsTheDefault) {
  const Result<Config> shipped = LoadConfig(kShipped);
  ASSERT_THAT(shipped, IsOk());
  EXPECT_TRUE(*shipped == Config());
}

// A key that is not in the file would pass the test above.
TEST(Config, ShippedFileHasEveryKey) {
  const Result<Bytes> content = ReadFile(kShipped, 1 << 20);
  ASSERT_THAT(content, IsOk());
  std::string text(AsText(*content));
  const std::vector<std::string> keys = ConfigKeys();
  EXPECT_GT(keys.size(), 25U);
  for (const std::string& key : keys) {
    if (key == "remote.role") {
      EXPECT_THAT(text, HasSubstr("[[remote.role]]"));
      continue;
    }
    const std::size_t dot = key.rfind('.');
    const std::size_t section = text.find("\n[" + key.substr(0, dot) + "]\n");
    ASSERT_NE(section, std::string::npos) << key;
    const std::size_t next_section = text.find("\n[", section + 2);
    const std::string body = text.substr(section, next_section - section);
    EXPECT_THAT(body, HasSubstr("\n" + key.substr(dot + 1) + " = ")) << key;
  }
}

TEST(Config, EmptyFileIsTheDefault) {
  const Result<Config> config = ParseConfig("", "f.toml");
  ASSERT_THAT(config, IsOk());
  EXPECT_TRUE(*config == Config());
}

TEST(Config, ReadsValues) {
  const Result<Config> config = ParseConfig(R"(
[remote]
listen = "[::]:8443"
client_ca = "/etc/seaworthy/ca.pem"
server_names = ["node-17.example.org", "192.0.2.7"]
[remote.limits]
handshakes_per_second = 5
handshakes_per_second_per_source = 2.5
[[remote.role]]
san = "URI:spiffe://example.org/backend"
role = "OPERATOR"
[[remote.role]]
san = "DNS:watch.example.org"
role = "READER"
)",
                                            "f.toml");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(config->remote.server_names, ElementsAre("node-17.example.org", "192.0.2.7"));
  EXPECT_EQ(config->remote.limits.handshakes_per_second, 5);
  EXPECT_EQ(config->remote.limits.handshakes_per_second_per_source, 2.5);
  EXPECT_EQ(config->remote.roles.at("URI:spiffe://example.org/backend"), rpc::Role::kOperator);
  EXPECT_EQ(config->remote.roles.at("DNS:watch.example.org"), rpc::Role::kReader);
}

struct BadFile {
  std::string text;
  std::string error;
};

class ConfigErrors : public ::testing::TestWithParam<BadFile> {};

TEST_P(ConfigErrors, NamesFileLineAndKey) { EXPECT_EQ(ErrorOf(GetParam().text), GetParam().error); }

INSTANTIATE_TEST_SUITE_P(
    All, ConfigErrors,
    ::testing::Values(
        BadFile{"[nodes]\n", "f.toml:1: nodes is not a known key"},
        BadFile{"[node]\nstate = \"/x\"\n", "f.toml:2: node.state is not a known key"},
        BadFile{"node = 3\n", "f.toml:1: node must be a table"},
        BadFile{"\n[tpm]\ntcti = 7\n", "f.toml:3: tpm.tcti must be a string"},
        BadFile{"[node]\nstate_dir = \"state\"\n",
                "f.toml:2: node.state_dir must be an absolute path"},
        BadFile{"[node]\nstate_dir = \"\"\n", "f.toml:2: node.state_dir must be an absolute path"},
        BadFile{"[log]\nlevel = \"loud\"\n",
                "f.toml:2: log.level must be one of error, warning, notice, info, debug"},
        BadFile{
            "[local]\nadmin_socket = \"/" + std::string(107, 'x') + "\"\n",
            "f.toml:2: local.admin_socket is longer than the 107 bytes of a Unix socket's path"},
        BadFile{"[local]\nadmin_socket = \"/run/a\"\nread_socket = \"/run/b\"\n",
                "f.toml:3: local.read_socket must be in another directory than "
                "local.admin_socket"},
        BadFile{"[local]\nmax_connections = 3\n",
                "f.toml:2: local.max_connections must be from 4 to 4096"},
        BadFile{"[local]\nmax_connections = 8.0\n",
                "f.toml:2: local.max_connections must be a whole number"},
        BadFile{"[api]\nreflection = \"yes\"\n", "f.toml:2: api.reflection must be true or false"},
        BadFile{"[remote]\nserver_names = [\"a\", 1]\n",
                "f.toml:2: remote.server_names must be a list of strings"},
        BadFile{"[remote]\nserver_names = \"a\"\n",
                "f.toml:2: remote.server_names must be a list of strings"},
        BadFile{"[remote]\nlisten = \"[::]:8443\"\n",
                "f.toml:1: remote.client_ca must be set when remote.listen is"},
        BadFile{"[remote]\nlisten = \"8443\"\nclient_ca = \"/ca\"\n",
                "f.toml:2: remote.listen must be ADDRESS:PORT, for example 192.0.2.1:8443 or "
                "[::]:8443"},
        BadFile{"[remote]\nlisten = \"a:65536\"\nclient_ca = \"/ca\"\n",
                "f.toml:2: remote.listen must be ADDRESS:PORT, for example 192.0.2.1:8443 or "
                "[::]:8443"},
        BadFile{"[remote]\nmin_tls_version = 1.3\n",
                "f.toml:2: remote.min_tls_version must be a string"},
        BadFile{"[remote]\nmin_tls_version = \"1.1\"\n",
                "f.toml:2: remote.min_tls_version must be one of 1.2, 1.3"},
        BadFile{"[remote.limits]\nhandshakes_per_second = nan\n",
                "f.toml:2: remote.limits.handshakes_per_second must be from 0.100000 to "
                "10000.000000"},
        BadFile{"[remote.role]\nsan = \"URI:a\"\n",
                "f.toml:1: remote.role must be a list of tables, [[remote.role]]"},
        BadFile{"[[remote.role]]\nsan = \"URI:a\"\n", "f.toml:1: remote.role.role is missing"},
        BadFile{"[[remote.role]]\nsan = \"URI:a\"\nrole = \"ROOT\"\n",
                "f.toml:3: remote.role.role must be one of READER, ATTESTER, OPERATOR, ADMIN"},
        BadFile{"[[remote.role]]\nsan = \"backend\"\nrole = \"ADMIN\"\n",
                "f.toml:2: remote.role.san must be a subject alternative name: URI:..., DNS:..., "
                "IP:... or email:..."},
        BadFile{"[[remote.role]]\nsan = \"URI:a\"\nrole = \"ADMIN\"\n[[remote.role]]\n"
                "san = \"URI:a\"\nrole = \"READER\"\n",
                "f.toml:5: remote.role.san is given twice: URI:a"},
        BadFile{"[attestation]\nak_algorithm = \"EC_P384\"\n",
                "f.toml:2: attestation.ak_algorithm must be one of EC_P256, RSA_2048"}));

TEST(Config, ReportsAllErrorsInLineOrder) {
  EXPECT_EQ(ErrorOf("[api]\nreflection = 1\n[tpm]\ntcti = 1\nfoo = 1\n[zzz]\n"),
            "f.toml:2: api.reflection must be true or false\n"
            "f.toml:4: tpm.tcti must be a string\n"
            "f.toml:5: tpm.foo is not a known key\n"
            "f.toml:6: zzz is not a known key");
}

TEST(Config, SyntaxErrorHasItsLine) {
  EXPECT_THAT(ErrorOf("[node]\n\nstate_dir = \n"), HasSubstr("f.toml:3: "));
  EXPECT_THAT(ErrorOf("[node]\n[node]\n"), HasSubstr("f.toml:2: "));
  EXPECT_THAT(ErrorOf("a = \"\xff\xfe\"\n"), HasSubstr("f.toml:1: "));
  EXPECT_THAT(ErrorOf("[node]\n [^x]\n"), HasSubstr("f.toml:2: "));
  EXPECT_THAT(ErrorOf("[["), HasSubstr("f.toml:1: "));
}

TEST(Config, FileMustExist) {
  EXPECT_THAT(LoadConfig("/nonexistent/f.toml"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST(ConfigChange, TellsWhatNeedsARestart) {
  Config wanted;
  wanted.log.level = Level::kDebug;
  wanted.remote.roles["URI:a"] = rpc::Role::kReader;
  wanted.remote.client_ca = "/ca";
  EXPECT_THAT(NeedingRestart(Config(), wanted), IsEmpty());
  wanted.tpm.tcti = "device:/dev/tpm0";
  wanted.remote.listen = "[::]:1";
  wanted.limits.max_message_bytes++;
  EXPECT_THAT(NeedingRestart(Config(), wanted), ElementsAre("tpm.tcti", "remote.listen", "limits"));
  const Config running = WithChangeable(Config(), wanted);
  EXPECT_EQ(running.log.level, Level::kDebug);
  EXPECT_EQ(running.remote.client_ca, "/ca");
  EXPECT_EQ(running.remote.roles, wanted.remote.roles);
  EXPECT_EQ(running.tpm.tcti, "");
  EXPECT_EQ(running.remote.listen, "");
  EXPECT_THAT(NeedingRestart(running, wanted), Not(IsEmpty()));
}

}  // namespace
}  // namespace seaworthy::app
