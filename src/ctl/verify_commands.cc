// verify, verify-key: no daemon, no TPM.
#include <chrono>

#include "ctl/arguments.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/judgement.h"
#include "ctl/policy_files.h"
#include "ctl/render.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/verifier.h"
#include "seaworthy/verify.h"

namespace seaworthy::ctl {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr std::size_t kMaxPemFile = 1024 * 1024;

struct VerifyOptions {
  std::string evidence;
  std::string nonce;
  std::string ak_name;
  std::string ak_file;
  std::vector<std::string> expected_pcrs;
  std::vector<std::string> expected_keys;
  std::string policy;
  std::string state;
  std::string ima_list;
  std::string boot_log;
  std::optional<std::uint32_t> nonce_age;
};

struct VerifyKeyOptions {
  std::string certification;
  std::string nonce;
  std::string ak_name;
  std::string ak_file;
  std::string csr;
  std::string public_key;
};

// What the verifier itself knows, so that what is wrong with it is wrong usage.
struct Challenge {
  Bytes nonce;
  verify::EnrolledKey ak;
};

Result<Challenge> ReadChallenge(const std::string& nonce, const std::string& ak_name,
                                const std::string& ak_file) {
  Challenge challenge;
  ASSIGN_OR_RETURN(challenge.nonce, ParseNonce(nonce));
  if (!ak_name.empty()) {
    Result<Bytes> name = ParseHex(ak_name);
    if (!name.ok()) return Wrap(name.status(), "--ak-name");
    challenge.ak.name = *std::move(name);
    return challenge;
  }
  ASSIGN_OR_RETURN(const Bytes file, ReadFile(ak_file, kMaxPemFile));
  Result<verify::EnrolledKey> ak = ParseEnrolledKey(AsText(file));
  if (!ak.ok()) return Wrap(ak.status(), ak_file);
  challenge.ak = *std::move(ak);
  return challenge;
}

Result<Bytes> KeyOf(const std::string& path, ByteView file, bool csr) {
  Result<Bytes> key = csr ? PublicKeyOfCsr(AsText(file)) : PublicKeyOf(AsText(file));
  if (!key.ok()) return Wrap(key.status(), path);
  return key;
}

// PEM public keys or requests. Where there is a request, its key counts, whatever else is in the
// file: it is what a CA signs.
Result<std::vector<ExpectedKey>> ReadExpectedKeys(const std::vector<std::string>& paths) {
  std::vector<ExpectedKey> keys;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, kMaxPemFile));
    const bool csr = AsText(file).find("CERTIFICATE REQUEST-----") != std::string_view::npos;
    ASSIGN_OR_RETURN(Bytes key, KeyOf(path, file, csr));
    keys.push_back({path, std::move(key)});
  }
  return keys;
}

// What came from the node and is not what it should be is a "no"; a file that cannot be read is a
// mistake.
Outcome TellBadKey(Session& session, const Status& status) {
  const std::string reason = Reason(status);
  if (reason != "MALFORMED" && reason != "CSR_SIGNATURE_INVALID") return Usage(status);
  return session.Tell(Distrust(reason, Message(status)));
}

// Without a policy, one that asks for nothing: quote and certified keys are judged all the same.
Result<verify::Verifier> MakeVerifier(const std::string& path) {
  verify::Policy policy;
  if (!path.empty()) {
    ASSIGN_OR_RETURN(policy, ReadPolicy(path));
  }
  Result<verify::Verifier> verifier = verify::Verifier::Create(std::move(policy));
  if (!verifier.ok()) return Wrap(verifier.status(), path);
  return verifier;
}

// What the user expects beyond the policy.
struct Expectations {
  std::vector<v1::PcrValue> pcrs;
  std::vector<ExpectedKey> keys;
};

Outcome Judge(Session& session, const VerifyOptions& options, const verify::Evidence& evidence,
              const Challenge& challenge, const Expectations& expected) {
  Result<verify::Verifier> verifier = MakeVerifier(options.policy);
  if (!verifier.ok()) return Usage(verifier.status());
  Result<std::optional<verify::NodeState>> state = ReadState(options.state);
  if (!state.ok()) return Usage(state.status());
  verify::Judgement judgement =
      verifier->Verify(evidence, challenge.nonce, challenge.ak, *state,
                       std::optional<std::chrono::seconds>(options.nonce_age));
  const verify::Verdict verdict =
      ExpectPcrs(ExpectKeys(std::move(judgement.verdict), expected.keys), evidence, expected.pcrs);
  if (verdict.trusted && judgement.state && !options.state.empty()) {
    if (Status written = ReplaceFile(options.state, AsBytes(ToJson(*judgement.state)), kFileMode);
        !written.ok()) {
      return Usage(written);
    }
  }
  return session.Tell(verdict);
}

Outcome RunVerify(Session& session, const VerifyOptions& options) {
  Result<Challenge> challenge = ReadChallenge(options.nonce, options.ak_name, options.ak_file);
  if (!challenge.ok()) return Usage(challenge.status());
  Expectations expected;
  for (const std::string& text : options.expected_pcrs) {
    Result<v1::PcrValue> value = ParsePcrValue(text);
    if (!value.ok()) return Usage(value.status());
    expected.pcrs.push_back(*std::move(value));
  }
  Result<std::vector<ExpectedKey>> keys = ReadExpectedKeys(options.expected_keys);
  if (!keys.ok()) return TellBadKey(session, keys.status());
  expected.keys = *std::move(keys);
  Result<Bytes> file = ReadFile(options.evidence, verify::kMaxMessage);
  if (!file.ok()) return Usage(file.status());
  Result<verify::Evidence> evidence = verify::ParseEvidence(*file);
  if (!evidence.ok()) {
    return session.Tell(Distrust(
        "MALFORMED", options.evidence + " is not evidence: " + Message(evidence.status())));
  }
  if (Status added = AddLogs(options.boot_log, options.ima_list, *evidence); !added.ok()) {
    return Usage(added);
  }
  return Judge(session, options, *evidence, *challenge, expected);
}

// The key that the certification must be about; empty when the user named none.
Result<Bytes> WantedKey(const VerifyKeyOptions& options) {
  if (options.csr.empty() && options.public_key.empty()) return Bytes();
  const bool csr = !options.csr.empty();
  const std::string& path = csr ? options.csr : options.public_key;
  ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, kMaxPemFile));
  return KeyOf(path, file, csr);
}

Outcome RunVerifyKey(Session& session, const VerifyKeyOptions& options) {
  Result<Challenge> challenge = ReadChallenge(options.nonce, options.ak_name, options.ak_file);
  if (!challenge.ok()) return Usage(challenge.status());
  Result<Bytes> wanted = WantedKey(options);
  if (!wanted.ok()) return TellBadKey(session, wanted.status());
  Result<Bytes> file = ReadFile(options.certification, verify::kMaxMessage);
  if (!file.ok()) return Usage(file.status());
  Result<verify::KeyCertification> certification = verify::ParseKeyCertification(*file);
  if (!certification.ok()) {
    return session.Tell(Distrust("MALFORMED", options.certification + " is no certification: " +
                                                  Message(certification.status())));
  }
  return session.Tell(
      verify::VerifyKeyCertification(*certification, challenge->nonce, challenge->ak, *wanted));
}

void AddChallenge(CLI::App* command, std::string& nonce, std::string& ak_name,
                  std::string& ak_file) {
  command->add_option("--nonce", nonce, "The nonce that the node was given")
      ->required()
      ->type_name("HEX");
  CLI::Option_group* ak = command->add_option_group("The enrolled attestation key");
  ak->add_option("--ak-name", ak_name, "Its TPM name")->type_name("HEX");
  ak->add_option("--ak", ak_file, "The file that `seaworthyctl ak --out` wrote")->type_name("FILE");
  ak->require_option(1);
}

void AddVerify(CLI::App& app, CommandLine& line) {
  auto verify = std::make_shared<VerifyOptions>();
  CLI::App* command = AddCommand(
      app, line, "verify",
      "Judges a node's evidence: exit code 0 trusted, 1 not trusted. Needs no daemon",
      "  seaworthyctl verify --evidence evidence.bin --nonce \"$NONCE\" --ak node-17-ak.pem\n"
      "  seaworthyctl verify --evidence evidence.bin --nonce \"$NONCE\" --ak-name 000b... \\\n"
      "      --expect-pcr sha256:7=65caf8dd...\n"
      "  seaworthyctl verify --evidence evidence.bin --nonce \"$NONCE\" --ak node-17-ak.pem \\\n"
      "      --policy edge.json --state node-17.state",
      verify, RunVerify);
  command->add_option("--evidence", verify->evidence, "What `seaworthyctl quote --out` wrote")
      ->required()
      ->type_name("FILE");
  AddChallenge(command, verify->nonce, verify->ak_name, verify->ak_file);
  command
      ->add_option("--expect-pcr", verify->expected_pcrs,
                   "The value a PCR must have, for example sha256:7=65ca...; may be repeated")
      ->type_name("BANK:PCR=HEX")
      ->allow_extra_args(false);
  command
      ->add_option("--expect-key", verify->expected_keys,
                   "A key that must be among the certified ones, PEM, or a certificate request; "
                   "may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  CLI::Option* policy = command->add_option("--policy", verify->policy,
                                            "Judge by this policy, see `seaworthyctl policy`");
  policy->type_name("FILE");
  command
      ->add_option("--state", verify->state,
                   "What the last round with this node left; written anew when the node is trusted")
      ->type_name("FILE")
      ->needs(policy);
  command
      ->add_option("--nonce-age", verify->nonce_age,
                   "How long ago the nonce was made, where the policy limits it")
      ->type_name("SECONDS")
      ->needs(policy);
  command
      ->add_option("--boot-log", verify->boot_log,
                   "The node's boot event log, where the evidence has none")
      ->type_name("FILE")
      ->needs(policy);
  command
      ->add_option("--ima-list", verify->ima_list,
                   "The node's IMA list, whole, binary or ascii, where the evidence has none")
      ->type_name("FILE")
      ->needs(policy);
}

void AddVerifyKey(CLI::App& app, CommandLine& line) {
  auto key = std::make_shared<VerifyKeyOptions>();
  CLI::App* command = AddCommand(
      app, line, "verify-key",
      "Judges whether a key lives in an enrolled node's TPM: exit code 0 or 1. Needs no daemon",
      "  seaworthyctl verify-key --certification tls.cert.bin --nonce \"$NONCE\" \\\n"
      "      --ak-name 000b... --csr tls.csr",
      key, RunVerifyKey);
  command
      ->add_option("--certification", key->certification,
                   "What `seaworthyctl key certify --out` wrote")
      ->required()
      ->type_name("FILE");
  AddChallenge(command, key->nonce, key->ak_name, key->ak_file);
  CLI::Option* csr =
      command->add_option("--csr", key->csr, "The key must be the one of this request");
  csr->type_name("FILE");
  command->add_option("--public-key", key->public_key, "The key must be this one, PEM")
      ->type_name("FILE")
      ->excludes(csr);
}

}  // namespace

void AddVerifyCommands(CLI::App& app, CommandLine& line) {
  AddVerify(app, line);
  AddVerifyKey(app, line);
}

}  // namespace seaworthy::ctl
