// enrol offer, enrol answer: on the node. enrol challenge, enrol finish: for the backend, without
// a daemon. ak-install.
#include "ctl/command.h"
#include "ctl/enrolment_files.h"
#include "ctl/json.h"
#include "ctl/judgement.h"
#include "ctl/render.h"
#include "seaworthy/directory.h"
#include "seaworthy/enrolment.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/attestation.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr mode_t kFileMode = 0644;
// For who can read it can answer in the node's place.
constexpr mode_t kSecretMode = 0600;

// A hardware TPM may have to make an RSA endorsement key anew, and the attestation key.
constexpr std::chrono::seconds kTimeout{120};

struct OfferOptions {
  std::string out;
};

struct ChallengeOptions {
  std::string offer;
  std::string roots;
  std::string certificate;
  std::string out;
  std::string pending;
};

struct AnswerOptions {
  std::string challenge;
  std::string out;
};

struct FinishOptions {
  std::string pending;
  std::string answer;
  std::string out;
};

struct InstallOptions {
  std::string chain;
};

Outcome RunOffer(Session& session, const OfferOptions& options) {
  v1::Endorsement endorsement;
  if (Outcome outcome = session.client().Call(&v1::AttestationService::Stub::GetEndorsement,
                                              v1::GetEndorsementRequest(), endorsement, kTimeout);
      !outcome.ok()) {
    return outcome;
  }
  const std::string serialized = endorsement.SerializeAsString();
  return session.Deliver(endorsement, options.out, AsBytes(serialized),
                         RenderEndorsement(endorsement), "the offer");
}

Outcome Tell(Session& session, const verify::EndorsementVerdict& verdict) {
  session.terminal().out << (session.json() ? ToJson(verdict) + "\n"
                                            : RenderVerdict({verdict.trusted, verdict.findings, {}},
                                                            session.style()));
  return {verdict.trusted ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

// Makes the credential and writes what goes to the node and what stays here.
Status WriteChallenge(const ChallengeOptions& options, const verify::EndorsementVerdict& verdict,
                      const Bytes& ak_public) {
  ASSIGN_OR_RETURN(const Bytes secret, verify::MakeSecret());
  ASSIGN_OR_RETURN(const verify::Credential credential,
                   verify::MakeCredential(verdict.ek_public, verdict.ak.name, secret));
  ASSIGN_OR_RETURN(const Bytes ek_name, verify::NameOf(verdict.ek_public));
  v1::ActivateCredentialRequest challenge;
  challenge.set_endorsement_key_name(ek_name.data(), ek_name.size());
  challenge.set_credential_blob(credential.blob.data(), credential.blob.size());
  challenge.set_encrypted_secret(credential.encrypted_secret.data(),
                                 credential.encrypted_secret.size());
  v1::AttestationKey ak;
  ak.set_tpm_name(Hex(verdict.ak.name));
  ASSIGN_OR_RETURN(*ak.mutable_public_key_pem(), verify::PublicKeyPem(ak_public));
  const std::string pending = FormatPending({secret, RenderAttestationKey(ak)});
  RETURN_IF_ERROR(ReplaceFile(options.pending, AsBytes(pending), kSecretMode));
  return ReplaceFile(options.out, AsBytes(challenge.SerializeAsString()), kFileMode);
}

Outcome RunChallenge(Session& session, const ChallengeOptions& options) {
  const Result<Bytes> file = ReadFile(options.offer, kMaxFile);
  if (!file.ok()) return Usage(file.status());
  const Result<verify::VendorCertificates> vendors =
      ReadVendorCertificates(options.roots, session.terminal().err);
  if (!vendors.ok()) return Usage(vendors.status());
  Result<verify::Endorsement> endorsement = verify::ParseEndorsement(*file);
  if (!endorsement.ok()) {
    const verify::Verdict malformed =
        Distrust("MALFORMED", options.offer + " is no offer: " + Message(endorsement.status()));
    return Tell(
        session,
        {.trusted = false, .findings = malformed.findings, .tpm = {}, .ek_public = {}, .ak = {}});
  }
  if (!options.certificate.empty()) {
    if (Status status = AddCertificate(options.certificate, *endorsement); !status.ok()) {
      return Usage(status);
    }
  }
  const verify::EndorsementVerdict verdict =
      verify::VerifyEndorsement(*endorsement, *vendors, std::chrono::system_clock::now());
  if (verdict.trusted) {
    if (Status status = WriteChallenge(options, verdict, endorsement->ak_public); !status.ok()) {
      return Usage(Wrap(status, "cannot make the challenge"));
    }
  }
  Outcome outcome = Tell(session, verdict);
  if (verdict.trusted && !session.json()) {
    session.terminal().out << "wrote the challenge to " << Printable(options.out)
                           << "; the node is enrolled when enrol finish has its answer\n";
  }
  return outcome;
}

Outcome RunAnswer(Session& session, const AnswerOptions& options) {
  const Result<Bytes> file = ReadFile(options.challenge, kMaxFile);
  if (!file.ok()) return Usage(file.status());
  v1::ActivateCredentialRequest challenge;
  if (!challenge.ParseFromArray(file->data(), static_cast<int>(file->size()))) {
    return Usage(options.challenge + " is no challenge; enrol challenge --out writes one");
  }
  v1::ActivateCredentialResponse response;
  if (Outcome outcome = session.client().Call(&v1::AttestationService::Stub::ActivateCredential,
                                              challenge, response, kTimeout);
      !outcome.ok()) {
    return outcome;
  }
  const std::string text = Hex(AsBytes(response.secret())) + "\n";
  if (!options.out.empty()) {
    if (Status status = ReplaceFile(options.out, AsBytes(text), kSecretMode); !status.ok()) {
      return Usage(Wrap(status, "cannot write the answer"));
    }
  }
  session.Answer(response, options.out.empty()
                               ? text
                               : "wrote the answer to " + Printable(options.out) + "\n");
  return {};
}

verify::Verdict Compare(const Pending& pending, const std::string& path, ByteView file) {
  const Result<Bytes> answer = ParseAnswer(AsText(file));
  if (!answer.ok()) return Distrust("MALFORMED", path + ": " + Message(answer.status()));
  if (!verify::IsSecret(*answer, pending.secret)) {
    return Distrust("SECRET_MISMATCH",
                    "The answer is not the secret of this challenge: nothing shows that the "
                    "attestation key is in the TPM with the endorsement key.");
  }
  verify::Verdict verdict;
  verdict.trusted = true;
  verdict.findings.push_back({"SECRET_MATCHES", verify::Severity::kInfo, "", "",
                              "The secret came back: the attestation key is in the TPM with the "
                              "endorsement key."});
  return verdict;
}

Outcome RunFinish(Session& session, const FinishOptions& options) {
  const Result<Bytes> pending_file = ReadFile(options.pending, kMaxFile);
  if (!pending_file.ok()) return Usage(pending_file.status());
  const Result<Pending> pending = ParsePending(AsText(*pending_file));
  if (!pending.ok()) return Usage(Wrap(pending.status(), options.pending));
  const Result<Bytes> answer = ReadFile(options.answer, kMaxFile);
  if (!answer.ok()) return Usage(answer.status());
  const verify::Verdict verdict = Compare(*pending, options.answer, *answer);
  if (verdict.trusted) {
    if (Status status = ReplaceFile(options.out, AsBytes(pending->ak), kFileMode); !status.ok()) {
      return Usage(Wrap(status, "cannot write the attestation key"));
    }
  }
  return session.Tell(verdict);
}

Outcome RunInstall(Session& session, const InstallOptions& options) {
  const Result<Bytes> chain = ReadFile(options.chain, kMaxFile);
  if (!chain.ok()) return Usage(chain.status());
  v1::InstallAttestationCertificateRequest request;
  request.set_certificate_chain_pem(std::string(AsText(*chain)));
  v1::AttestationKey key;
  Outcome outcome = session.client().Call(
      &v1::AttestationService::Stub::InstallAttestationCertificate, request, key, kTimeout);
  if (outcome.ok()) session.Answer(key, "installed the attestation key's certificate\n");
  return outcome;
}

CLI::Option* AddFile(CLI::App* command, const std::string& name, std::string& target,
                     const std::string& description) {
  return command->add_option(name, target, description)->type_name("FILE");
}

void AddBackendCommands(CLI::App& enrol, CommandLine& line) {
  auto challenge = std::make_shared<ChallengeOptions>();
  CLI::App* command = AddCommand(
      enrol, line, "challenge",
      "Backend: judges a node's offer and makes a challenge for it; exit code 0 or 1",
      "  seaworthyctl enrol challenge --offer node-17.offer --roots /etc/tpm-vendors \\\n"
      "      --out node-17.challenge --pending node-17.pending",
      challenge, RunChallenge);
  AddFile(command, "--offer", challenge->offer, "What `seaworthyctl enrol offer --out` wrote")
      ->required();
  command
      ->add_option("--roots", challenge->roots,
                   "CA certificates of TPM vendors: the .pem, .crt, .cer and .der files in this "
                   "folder")
      ->required()
      ->type_name("DIR");
  AddFile(command, "--certificate", challenge->certificate,
          "The endorsement key's certificate, where the TPM itself keeps none");
  AddFile(command, "--out,-o", challenge->out, "Write the challenge, for the node, to this file")
      ->required();
  AddFile(command, "--pending", challenge->pending,
          "Write the secret and the attestation key, for enrol finish, to this file; keep it here")
      ->required();

  auto finish = std::make_shared<FinishOptions>();
  command = AddCommand(
      enrol, line, "finish",
      "Backend: compares the node's answer and writes the enrolled key; exit code 0 or 1",
      "  seaworthyctl enrol finish --pending node-17.pending --answer node-17.answer \\\n"
      "      --out node-17-ak.pem",
      finish, RunFinish);
  AddFile(command, "--pending", finish->pending, "What enrol challenge wrote")->required();
  AddFile(command, "--answer", finish->answer, "What `seaworthyctl enrol answer --out` wrote")
      ->required();
  AddFile(command, "--out,-o", finish->out,
          "Write the attestation key, as verify --ak takes it, to this file")
      ->required();
}

}  // namespace

void AddEnrolCommands(CLI::App& app, CommandLine& line) {
  CLI::App& enrol = *app.add_subcommand(
      "enrol", "Takes a node in: its attestation key, proved by its TPM's endorsement key");
  enrol.require_subcommand(1);

  auto offer = std::make_shared<OfferOptions>();
  AddFile(AddCommand(enrol, line, "offer",
                     "Node: tells the endorsement keys, their certificates and the attestation key",
                     "  seaworthyctl enrol offer --out node-17.offer", offer, RunOffer),
          "--out,-o", offer->out, "Write it, for enrol challenge, to this file");

  auto answer = std::make_shared<AnswerOptions>();
  CLI::App* command =
      AddCommand(enrol, line, "answer", "Node: has the TPM open a challenge",
                 "  seaworthyctl enrol answer --challenge node-17.challenge --out node-17.answer",
                 answer, RunAnswer);
  AddFile(command, "--challenge", answer->challenge, "What enrol challenge wrote")->required();
  AddFile(command, "--out,-o", answer->out, "Write the answer, for enrol finish, to this file");
  AddBackendCommands(enrol, line);

  auto install = std::make_shared<InstallOptions>();
  AddFile(AddCommand(app, line, "ak-install",
                     "Installs the certificate that a CA made for the attestation key",
                     "  seaworthyctl ak-install --chain ak-chain.pem", install, RunInstall),
          "--chain", install->chain, "Certificate chain, PEM, leaf first")
      ->required();
}

}  // namespace seaworthy::ctl
