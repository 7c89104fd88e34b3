// ak, quote, attest.
#include "ctl/arguments.h"
#include "ctl/command.h"
#include "ctl/policy_files.h"
#include "ctl/render.h"
#include "seaworthy/directory.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/verifier.h"
#include "seaworthy/verify_message.h"

namespace seaworthy::ctl {
namespace {

constexpr mode_t kFileMode = 0644;

struct AkOptions {
  std::string out;
};

struct QuoteOptions {
  std::string nonce;
  std::string pcrs = "sha256:all";
  std::string out;
  std::string export_dir;
};

struct AttestOptions : QuoteOptions {
  std::string state;
  std::vector<std::string> keys;
};

// A list of hundreds of thousands of entries takes the kernel its time to tell.
constexpr std::chrono::seconds kAttestTimeout{120};

Outcome RunAk(Session& session, const AkOptions& options) {
  v1::AttestationKey key;
  if (Outcome outcome = session.client().Call(&v1::AttestationService::Stub::GetAttestationKey,
                                              v1::GetAttestationKeyRequest(), key);
      !outcome.ok()) {
    return outcome;
  }
  // The name goes before the PEM as text that PEM readers skip (RFC 7468, 5.2): one file that
  // both `verify --ak` and openssl read.
  const std::string text = RenderAttestationKey(key);
  return session.Deliver(key, options.out, AsBytes(text), text, "the attestation key");
}

// The quote as tpm2_checkquote reads it, and the logs, where there are any, as the kernel has them.
Status Export(const v1::Evidence& evidence, const std::string& folder) {
  Result<verify::Tpm2ToolsFiles> files = verify::ToTpm2Tools(verify::FromMessage(evidence));
  if (!files.ok()) return files.status();
  Result<Directory> directory = Directory::Create(folder);
  if (!directory.ok()) return directory.status();
  const std::pair<const char*, ByteView> contents[] = {
      {"ak.pem", AsBytes(files->ak_pem)},
      {"quote.msg", files->message},
      {"quote.sig", files->signature},
      {"quote.pcrs", files->pcrs},
      {"binary_bios_measurements", AsBytes(evidence.boot_log())},
      {"binary_runtime_measurements", AsBytes(evidence.ima_list())},
  };
  for (const auto& [name, content] : contents) {
    if (content.empty()) continue;
    if (Status status = directory->Replace(name, content, kFileMode); !status.ok()) return status;
  }
  return {};
}

// Of QuoteRequest and AttestRequest the same.
template <class Request>
Outcome Ask(const QuoteOptions& options, Request& request) {
  Result<Bytes> nonce = ParseNonce(options.nonce);
  if (!nonce.ok()) return Usage(nonce.status());
  Result<std::vector<v1::PcrSelection>> pcrs = ParsePcrSelections(options.pcrs);
  if (!pcrs.ok()) return Usage(pcrs.status());
  request.set_nonce(nonce->data(), nonce->size());
  request.mutable_pcrs()->Add(pcrs->begin(), pcrs->end());
  return {};
}

// Puts the evidence where the user wants it and shows `text` beside.
Outcome DeliverEvidence(Session& session, const QuoteOptions& options,
                        const google::protobuf::Message& message, const v1::Evidence& evidence,
                        const std::string& text) {
  if (!options.export_dir.empty()) {
    if (Status status = Export(evidence, options.export_dir); !status.ok()) {
      return Usage(Wrap(status, "cannot export the evidence"));
    }
  }
  const std::string serialized = evidence.SerializeAsString();
  Outcome outcome =
      session.Deliver(message, options.out, AsBytes(serialized), text, "the evidence");
  if (outcome.ok() && !options.out.empty() && !session.json()) session.terminal().out << text;
  return outcome;
}

Outcome RunQuote(Session& session, const QuoteOptions& options) {
  if (options.out.empty() && options.export_dir.empty() && !session.json()) {
    return Usage("quote: give --out FILE or --export-dir DIR");
  }
  v1::QuoteRequest request;
  if (Outcome outcome = Ask(options, request); !outcome.ok()) return outcome;
  v1::QuoteResponse response;
  if (Outcome outcome =
          session.client().Call(&v1::AttestationService::Stub::Quote, request, response);
      !outcome.ok()) {
    return outcome;
  }
  return DeliverEvidence(session, options, response, response.evidence(),
                         RenderQuote(response.evidence()));
}

Outcome RunAttest(Session& session, const AttestOptions& options) {
  if (options.out.empty() && options.export_dir.empty() && !session.json()) {
    return Usage("attest: give --out FILE or --export-dir DIR");
  }
  v1::AttestRequest request;
  if (Outcome outcome = Ask(options, request); !outcome.ok()) return outcome;
  request.mutable_keys()->Add(options.keys.begin(), options.keys.end());
  Result<std::optional<verify::NodeState>> state = ReadState(options.state);
  if (!state.ok()) return Usage(state.status());
  if (*state) {
    request.set_ima_first((*state)->ima_entries);
    request.set_reset_count((*state)->reset_count);
  }
  v1::Evidence evidence;
  const auto add = [&](const v1::Evidence& part) -> Status {
    if (evidence.ak_public().empty()) {
      evidence = part;
    } else {
      evidence.mutable_boot_log()->append(part.boot_log());
      evidence.mutable_ima_list()->append(part.ima_list());
    }
    if (evidence.boot_log().size() + evidence.ima_list().size() <= verify::kMaxMessage) return {};
    return Fail(Code::kResourceExhausted, "EVIDENCE_TOO_LARGE",
                "the node's logs have more than 512 MiB");
  };
  if (Outcome outcome =
          session.client().Stream<v1::AttestationService::Stub, v1::AttestRequest, v1::Evidence>(
              &v1::AttestationService::Stub::Attest, request, add, kAttestTimeout);
      !outcome.ok()) {
    return outcome;
  }
  return DeliverEvidence(session, options, evidence, evidence, RenderEvidence(evidence));
}

void AddQuoteOptions(CLI::App* command, QuoteOptions& options, const std::string& export_dir) {
  command->add_option("--nonce", options.nonce, "The verifier's nonce, 16 to 64 bytes")
      ->required()
      ->type_name("HEX");
  command
      ->add_option("--pcrs", options.pcrs,
                   "Which PCRs: sha256:0,1,2 or sha256:0-7 or sha256:all; banks joined by +")
      ->type_name("BANK:PCRS")
      ->capture_default_str();
  command->add_option("--out,-o", options.out, "Write the evidence to this file")
      ->type_name("FILE");
  command->add_option("--export-dir", options.export_dir, export_dir)->type_name("DIR");
}

}  // namespace

void AddAttestationCommands(CLI::App& app, CommandLine& line) {
  auto ak = std::make_shared<AkOptions>();
  AddCommand(app, line, "ak", "Tells the attestation key: its TPM name, which a verifier enrols",
             "  seaworthyctl ak --out node-17-ak.pem", ak, RunAk)
      ->add_option("--out,-o", ak->out, "Write name and public key, PEM, to this file")
      ->type_name("FILE");

  auto quote = std::make_shared<QuoteOptions>();
  CLI::App* command =
      AddCommand(app, line, "quote", "Has the TPM quote PCRs over a verifier's nonce (see verify)",
                 "  NONCE=$(openssl rand -hex 32)\n"
                 "  seaworthyctl quote --nonce \"$NONCE\" --out evidence.bin\n"
                 "  seaworthyctl quote --nonce \"$NONCE\" --pcrs sha256:0-7 --export-dir quote\n"
                 "  tpm2_checkquote -u quote/ak.pem -m quote/quote.msg -s quote/quote.sig \\\n"
                 "      -f quote/quote.pcrs -g sha256 -q \"$NONCE\"",
                 quote, RunQuote);
  AddQuoteOptions(command, *quote,
                  "Write ak.pem, quote.msg, quote.sig and quote.pcrs, as tpm2-tools take them, "
                  "into this folder");

  auto attest = std::make_shared<AttestOptions>();
  command = AddCommand(
      app, line, "attest",
      "Has the node prove its state: a quote with boot log and IMA list (see verify --policy)",
      "  NONCE=$(openssl rand -hex 32)\n"
      "  seaworthyctl attest --nonce \"$NONCE\" --out evidence.bin\n"
      "  seaworthyctl attest --nonce \"$NONCE\" --state node-17.state --out evidence.bin\n"
      "  seaworthyctl attest --nonce \"$NONCE\" --export-dir evidence\n"
      "  tpm2_eventlog evidence/binary_bios_measurements",
      attest, RunAttest);
  AddQuoteOptions(command, *attest,
                  "Write what quote --export-dir writes, and the logs, named as the kernel names "
                  "them, into this folder");
  command
      ->add_option("--state", attest->state,
                   "What verify --state keeps of this node: only what is new in the IMA list is "
                   "sent")
      ->type_name("FILE");
  command
      ->add_option("--key", attest->keys,
                   "Certify this key of the node, too; may be repeated (see verify --expect-key)")
      ->type_name("NAME")
      ->allow_extra_args(false);
}

}  // namespace seaworthy::ctl
