// ak, quote.
#include "ctl/arguments.h"
#include "ctl/command.h"
#include "ctl/render.h"
#include "seaworthy/directory.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/verify.h"

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

// The quote as tpm2_checkquote reads it.
Status Export(const v1::Evidence& evidence, const std::string& folder) {
  Result<verify::Evidence> parsed = verify::ParseEvidence(AsBytes(evidence.SerializeAsString()));
  if (!parsed.ok()) return parsed.status();
  Result<verify::Tpm2ToolsFiles> files = verify::ToTpm2Tools(*parsed);
  if (!files.ok()) return files.status();
  Result<Directory> directory = Directory::Create(folder);
  if (!directory.ok()) return directory.status();
  const std::pair<const char*, ByteView> contents[] = {
      {"ak.pem", AsBytes(files->ak_pem)},
      {"quote.msg", files->message},
      {"quote.sig", files->signature},
      {"quote.pcrs", files->pcrs},
  };
  for (const auto& [name, content] : contents) {
    if (Status status = directory->Replace(name, content, kFileMode); !status.ok()) return status;
  }
  return {};
}

Outcome RunQuote(Session& session, const QuoteOptions& options) {
  if (options.out.empty() && options.export_dir.empty() && !session.json()) {
    return Usage("quote: give --out FILE or --export-dir DIR");
  }
  Result<Bytes> nonce = ParseNonce(options.nonce);
  if (!nonce.ok()) return Usage(nonce.status());
  Result<std::vector<v1::PcrSelection>> pcrs = ParsePcrSelections(options.pcrs);
  if (!pcrs.ok()) return Usage(pcrs.status());
  v1::QuoteRequest request;
  request.set_nonce(nonce->data(), nonce->size());
  request.mutable_pcrs()->Add(pcrs->begin(), pcrs->end());
  v1::QuoteResponse response;
  if (Outcome outcome =
          session.client().Call(&v1::AttestationService::Stub::Quote, request, response);
      !outcome.ok()) {
    return outcome;
  }
  if (!options.export_dir.empty()) {
    if (Status status = Export(response.evidence(), options.export_dir); !status.ok()) {
      return Usage(Wrap(status, "cannot export the quote"));
    }
  }
  const std::string values = RenderQuote(response.evidence());
  const std::string serialized = response.evidence().SerializeAsString();
  Outcome outcome =
      session.Deliver(response, options.out, AsBytes(serialized), values, "the evidence");
  if (outcome.ok() && !options.out.empty() && !session.json()) session.terminal().out << values;
  return outcome;
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
  command->add_option("--nonce", quote->nonce, "The verifier's nonce, 16 to 64 bytes")
      ->required()
      ->type_name("HEX");
  command
      ->add_option("--pcrs", quote->pcrs,
                   "Which PCRs: sha256:0,1,2 or sha256:0-7 or sha256:all; banks joined by +")
      ->type_name("BANK:PCRS")
      ->capture_default_str();
  command->add_option("--out,-o", quote->out, "Write the evidence to this file")->type_name("FILE");
  command
      ->add_option("--export-dir", quote->export_dir,
                   "Write ak.pem, quote.msg, quote.sig and quote.pcrs, as tpm2-tools take them, "
                   "into this folder")
      ->type_name("DIR");
}

}  // namespace seaworthy::ctl
