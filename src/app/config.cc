#include "config.h"

#define TOML_EXCEPTIONS 0
#include <sys/un.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::app {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;

template <class T>
using Names = std::vector<std::pair<std::string, T>>;

const Names<Level> kLevels = {{"error", Level::kError},
                              {"warning", Level::kWarning},
                              {"notice", Level::kNotice},
                              {"info", Level::kInfo},
                              {"debug", Level::kDebug}};
const Names<tpm::KeyAlgorithm> kServerKeys = {{"EC_P256", tpm::KeyAlgorithm::kEcP256},
                                              {"EC_P384", tpm::KeyAlgorithm::kEcP384},
                                              {"RSA_2048", tpm::KeyAlgorithm::kRsa2048},
                                              {"RSA_3072", tpm::KeyAlgorithm::kRsa3072}};
const Names<tpm::KeyAlgorithm> kAttestationKeys = {{"EC_P256", tpm::KeyAlgorithm::kEcP256},
                                                   {"RSA_2048", tpm::KeyAlgorithm::kRsa2048}};
const Names<std::string> kTlsVersions = {{"1.2", "1.2"}, {"1.3", "1.3"}};
const Names<rpc::Role> kRoles = {{"READER", rpc::Role::kReader},
                                 {"ATTESTER", rpc::Role::kAttester},
                                 {"OPERATOR", rpc::Role::kOperator},
                                 {"ADMIN", rpc::Role::kAdmin}};

std::size_t LineOf(const toml::node& node) { return node.source().begin.line; }

// Errors and known keys of one file.
struct Findings {
  std::string file;
  std::vector<std::pair<std::size_t, std::string>> errors;  // line, text
  std::vector<std::string> keys;

  void Add(std::size_t line, const std::string& text) { errors.emplace_back(line, text); }
};

// One table of the file. Each key is asked for by the name and type it must have; what
// nobody asked for is unknown.
class Section {
 public:
  Section(const toml::table* table, std::string name, Findings& findings)
      : table_(table), name_(std::move(name)), findings_(findings) {}

  Section Sub(const std::string& key) {
    const toml::node* node = Ask(key, "a table");
    const toml::table* table = node == nullptr ? nullptr : node->as_table();
    if (node != nullptr && table == nullptr) WrongType(*node, key, "a table");
    return Section(table, name_.empty() ? key : name_ + "." + key, findings_);
  }

  void String(const std::string& key, std::string& target) {
    if (const auto* value = Value<std::string>(key, "a string")) target = value->get();
  }

  // Empty, or absolute; a socket's path must fit its address.
  void Path(const std::string& key, std::string& target, bool may_be_empty, bool socket = false) {
    const auto* value = Value<std::string>(key, "a string");
    if (value == nullptr) return;
    const std::string& path = value->get();
    if (path.empty() ? !may_be_empty : path.front() != '/') {
      return Wrong(*value, key, "must be an absolute path");
    }
    if (path.find('\0') != std::string::npos) return Wrong(*value, key, "contains a NUL byte");
    if (socket && path.size() >= sizeof(sockaddr_un::sun_path)) {
      return Wrong(*value, key, "is longer than the 107 bytes of a Unix socket's path");
    }
    target = path;
  }

  void Boolean(const std::string& key, bool& target) {
    if (const auto* value = Value<bool>(key, "true or false")) target = value->get();
  }

  void Size(const std::string& key, std::size_t& target, std::int64_t min, std::int64_t max) {
    if (const auto* value = Integer(key, min, max)) {
      target = static_cast<std::size_t>(value->get());
    }
  }

  void Milliseconds(const std::string& key, std::chrono::milliseconds& target, std::int64_t min,
                    std::int64_t max) {
    if (const auto* value = Integer(key, min, max)) {
      target = std::chrono::milliseconds(value->get());
    }
  }

  // A whole number or a decimal one.
  void Number(const std::string& key, double& target, double min, double max) {
    const toml::node* node = Ask(key, "a number");
    if (node == nullptr) return;
    const std::optional<double> value = node->value<double>();
    if (!node->is_number() || !value) return WrongType(*node, key, "a number");
    if (!(*value >= min && *value <= max)) {
      return Wrong(*node, key,
                   "must be from " + std::to_string(min) + " to " + std::to_string(max));
    }
    target = *value;
  }

  template <class T>
  void Choice(const std::string& key, T& target, const Names<T>& names) {
    const auto* value = Value<std::string>(key, "a string");
    if (value == nullptr) return;
    std::string list;
    for (const auto& [name, meaning] : names) {
      if (name == value->get()) {
        target = meaning;
        return;
      }
      list += (list.empty() ? "" : ", ") + name;
    }
    Wrong(*value, key, "must be one of " + list);
  }

  void Strings(const std::string& key, std::vector<std::string>& target, std::size_t max) {
    const toml::node* node = Ask(key, "a list of strings");
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return WrongType(*node, key, "a list of strings");
    if (array->size() > max) {
      return Wrong(*node, key, "has more than " + std::to_string(max) + " entries");
    }
    std::vector<std::string> strings;
    for (const toml::node& entry : *array) {
      const auto* value = entry.as_string();
      if (value == nullptr) return WrongType(entry, key, "a list of strings");
      strings.push_back(value->get());
    }
    target = std::move(strings);
  }

  // The tables of [[name.key]].
  std::vector<Section> Tables(const std::string& key, std::size_t max) {
    std::vector<Section> tables;
    const toml::node* node = Ask(key, "tables");
    if (node == nullptr) return tables;
    const std::string name = FullName(key);
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      WrongType(*node, key, "a list of tables, [[" + name + "]]");
      return tables;
    }
    if (array->size() > max) {
      Wrong(*node, key, "has more than " + std::to_string(max) + " entries");
      return tables;
    }
    for (const toml::node& entry : *array) {
      if (entry.is_table()) {
        tables.emplace_back(entry.as_table(), name, findings_);
      } else {
        WrongType(entry, key, "a list of tables, [[" + name + "]]");
      }
    }
    return tables;
  }

  bool Has(const std::string& key) const { return table_ != nullptr && table_->contains(key); }

  // Reports a wrong value at the key's line, or at the table's when the key is absent.
  void Wrong(const std::string& key, const std::string& what) {
    const toml::node* node = table_ == nullptr ? nullptr : table_->get(key);
    const std::size_t line =
        node != nullptr ? LineOf(*node) : (table_ == nullptr ? 1 : LineOf(*table_));
    findings_.Add(line, FullName(key) + " " + what);
  }

  // Reports the keys nobody asked for. To be called last.
  void Finish() {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      const std::string name(key.str());
      if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) {
        findings_.Add(key.source().begin.line, FullName(name) + " is not a known key");
      }
    }
  }

 private:
  std::string FullName(const std::string& key) const {
    return name_.empty() ? key : name_ + "." + key;
  }

  const toml::node* Ask(const std::string& key, std::string_view type) {
    asked_.push_back(key);
    if (type != "a table") findings_.keys.push_back(FullName(key));
    return table_ == nullptr ? nullptr : table_->get(key);
  }

  template <class T>
  const toml::value<T>* Value(const std::string& key, std::string_view type) {
    const toml::node* node = Ask(key, type);
    if (node == nullptr) return nullptr;
    const toml::value<T>* value = node->as<T>();
    if (value == nullptr) WrongType(*node, key, type);
    return value;
  }

  const toml::value<std::int64_t>* Integer(const std::string& key, std::int64_t min,
                                           std::int64_t max) {
    const auto* value = Value<std::int64_t>(key, "a whole number");
    if (value == nullptr || (value->get() >= min && value->get() <= max)) return value;
    Wrong(*value, key, "must be from " + std::to_string(min) + " to " + std::to_string(max));
    return nullptr;
  }

  void Wrong(const toml::node& node, const std::string& key, const std::string& what) {
    findings_.Add(LineOf(node), FullName(key) + " " + what);
  }

  void WrongType(const toml::node& node, const std::string& key, std::string_view type) {
    Wrong(node, key, "must be " + std::string(type));
  }

  const toml::table* table_;  // null when absent from the file
  std::string name_;
  Findings& findings_;
  std::vector<std::string> asked_;
};

void ReadLocal(Section section, Config::Local& local) {
  section.Path("admin_socket", local.admin_socket, false, true);
  section.Path("read_socket", local.read_socket, false, true);
  section.String("read_group", local.read_group);
  section.Size("max_connections", local.max_connections, 4, 4096);
  // A directory's mode is what decides who may connect, so two sockets can't share one.
  if (std::filesystem::path(local.admin_socket).parent_path() ==
      std::filesystem::path(local.read_socket).parent_path()) {
    section.Wrong("read_socket", "must be in another directory than local.admin_socket");
  }
  section.Finish();
}

void ReadRemoteLimits(Section section, tls::Front::Limits& limits) {
  section.Size("connections", limits.connections, 1, 65536);
  section.Size("connections_per_source", limits.connections_per_source, 1, 65536);
  section.Number("handshakes_per_second", limits.handshakes_per_second, 0.1, 10000);
  section.Number("handshakes_per_second_per_source", limits.handshakes_per_second_per_source, 0.1,
                 10000);
  section.Milliseconds("handshake_timeout_ms", limits.handshake_timeout, 100, 600'000);
  section.Size("handshake_threads", limits.handshake_threads, 1, 64);
  section.Finish();
}

bool IsAlternativeName(std::string_view name) {
  constexpr std::string_view kKinds[] = {"URI:", "DNS:", "IP:", "email:"};
  return std::any_of(std::begin(kKinds), std::end(kKinds), [&](std::string_view kind) {
    return name.starts_with(kind) && name.size() > kind.size();
  });
}

void ReadRole(Section section, std::map<std::string, rpc::Role>& roles) {
  std::string san;
  rpc::Role role = rpc::Role::kNone;
  section.String("san", san);
  section.Choice("role", role, kRoles);
  if (!section.Has("role")) section.Wrong("role", "is missing");
  if (!IsAlternativeName(san)) {
    section.Wrong("san",
                  "must be a subject alternative name: URI:..., DNS:..., IP:... or email:...");
  } else if (!roles.emplace(san, role).second) {
    section.Wrong("san", "is given twice: " + san);
  }
  section.Finish();
}

bool IsListenAddress(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view text = address.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

void ReadRemote(Section section, Config::Remote& remote) {
  constexpr std::size_t kMaxNames = 64;
  constexpr std::size_t kMaxRoles = 4096;
  section.String("listen", remote.listen);
  section.String("key", remote.key);
  section.Choice("key_algorithm", remote.key_algorithm, kServerKeys);
  section.Strings("server_names", remote.server_names, kMaxNames);
  section.Path("client_ca", remote.client_ca, true);
  section.Choice("min_tls_version", remote.min_tls_version, kTlsVersions);
  ReadRemoteLimits(section.Sub("limits"), remote.limits);
  for (Section& role : section.Tables("role", kMaxRoles)) ReadRole(std::move(role), remote.roles);
  if (!remote.listen.empty() && !IsListenAddress(remote.listen)) {
    section.Wrong("listen", "must be ADDRESS:PORT, for example 192.0.2.1:8443 or [::]:8443");
  }
  if (!remote.listen.empty() && remote.client_ca.empty()) {
    section.Wrong("client_ca", "must be set when remote.listen is");
  }
  if (remote.key.empty()) section.Wrong("key", "must not be empty");
  section.Finish();
}

void ReadLimits(Section section, Config::Limits& limits) {
  section.Size("max_message_bytes", limits.max_message_bytes, 64 * 1024, 64 * 1024 * 1024);
  section.Size("max_concurrent_calls", limits.max_concurrent_calls, 8, 4096);
  section.Size("max_streams_per_connection", limits.max_streams_per_connection, 1, 4096);
  section.Milliseconds("default_deadline_ms", limits.default_deadline, 100, 600'000);
  section.Milliseconds("keepalive_time_ms", limits.keepalive_time, 1000, 86'400'000);
  section.Milliseconds("keepalive_timeout_ms", limits.keepalive_timeout, 100, 600'000);
  section.Finish();
}

Config ReadAll(const toml::table& table, Findings& findings) {
  Config config;
  Section root(&table, "", findings);
  Section node = root.Sub("node");
  node.Path("state_dir", config.node.state_dir, false);
  node.Finish();
  Section log = root.Sub("log");
  log.Choice("level", config.log.level, kLevels);
  log.Finish();
  Section tpm = root.Sub("tpm");
  tpm.String("tcti", config.tpm.tcti);
  tpm.Finish();
  ReadLocal(root.Sub("local"), config.local);
  ReadRemote(root.Sub("remote"), config.remote);
  Section attestation = root.Sub("attestation");
  attestation.Choice("ak_algorithm", config.attestation.ak_algorithm, kAttestationKeys);
  attestation.Path("boot_log", config.attestation.boot_log, true);
  attestation.Path("ima_list", config.attestation.ima_list, true);
  attestation.Finish();
  Section integrity = root.Sub("integrity");
  integrity.Path("allowed_files", config.integrity.allowed_files, true);
  integrity.Finish();
  Section docker = root.Sub("docker");
  docker.Path("hardener_socket", config.docker.hardener_socket, false, true);
  docker.Finish();
  Section audit = root.Sub("audit");
  audit.Path("file", config.audit.file, true);
  audit.Finish();
  ReadLimits(root.Sub("limits"), config.limits);
  Section api = root.Sub("api");
  api.Boolean("reflection", config.api.reflection);
  api.Finish();
  root.Finish();
  return config;
}

Status ToStatus(Findings& findings) {
  if (findings.errors.empty()) return {};
  std::stable_sort(findings.errors.begin(), findings.errors.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [line, error] : findings.errors) {
    text += (text.empty() ? "" : "\n") + findings.file + ":" + std::to_string(line) + ": " + error;
  }
  return Fail(Code::kInvalidArgument, "INVALID_CONFIG", text);
}

// toml++ 3.3 asserts, and without assertions assumes, that what follows the bracket of a table
// begins a name. No value of ours has a line that begins with a bracket.
void CheckTableNames(std::string_view text, Findings& findings) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::size_t number = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const auto skip = [&line](std::string_view characters) {
      line.remove_prefix(std::min(line.find_first_not_of(characters), line.size()));
    };
    skip(" \t\r\v\f");
    if (!line.starts_with('[')) continue;
    skip("[ \t");
    const bool name =
        !line.empty() && (std::isalnum(static_cast<unsigned char>(line[0])) != 0 ||
                          std::string_view("_-\"'").find(line[0]) != std::string_view::npos);
    if (!name) findings.Add(number, "a table's name must follow the bracket");
  }
}

}  // namespace

Result<Config> ParseConfig(std::string_view text, const std::string& file) {
  Findings findings{file, {}, {}};
  CheckTableNames(text, findings);
  RETURN_IF_ERROR(ToStatus(findings));
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    findings.Add(parsed.error().source().begin.line, std::string(parsed.error().description()));
    return ToStatus(findings);
  }
  Config config = ReadAll(parsed.table(), findings);
  RETURN_IF_ERROR(ToStatus(findings));
  return config;
}

Result<Config> LoadConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const Bytes content, ReadFile(path, kMaxFile));
  return ParseConfig(AsText(content), path);
}

std::vector<std::string> ConfigKeys() {
  Findings findings;
  ReadAll(toml::table(), findings);
  return findings.keys;
}

}  // namespace seaworthy::app
