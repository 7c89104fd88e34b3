// key create, list, show, public, pem, delete.
#include "ctl/arguments.h"
#include "ctl/command.h"
#include "ctl/render.h"
#include "seaworthy/v1/key.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

// RSA keys take a hardware TPM many seconds.
constexpr std::chrono::seconds kCreateTimeout{120};

struct CreateOptions {
  std::string name;
  std::string algorithm = "ec-p256";
  std::string pcrs;
};

struct ListOptions {
  bool names = false;
};

struct NameOptions {
  std::string name;
};

struct OutOptions {
  std::string name;
  std::string out;
};

struct DeleteOptions {
  std::string name;
  bool yes = false;
};

Outcome RunCreate(Session& session, const CreateOptions& options) {
  v1::CreateKeyRequest request;
  request.set_name(options.name);
  request.set_algorithm(ParseKeyAlgorithm(options.algorithm));
  if (!options.pcrs.empty()) {
    Result<std::vector<v1::PcrSelection>> pcrs = ParsePcrSelections(options.pcrs);
    if (!pcrs.ok()) return Usage(pcrs.status());
    if (pcrs->size() != 1) return Usage("--pcrs: a key can be bound to PCRs of one bank only");
    *request.mutable_policy() = pcrs->front();
  }
  v1::Key key;
  Outcome outcome =
      session.client().Call(&v1::KeyService::Stub::CreateKey, request, key, kCreateTimeout);
  if (outcome.ok()) session.Answer(key, RenderKey(key, session.style()));
  return outcome;
}

Outcome RunList(Session& session, const ListOptions& options) {
  v1::ListKeysResponse keys;
  Outcome outcome =
      session.client().Call(&v1::KeyService::Stub::ListKeys, v1::ListKeysRequest(), keys);
  if (!outcome.ok()) return outcome;
  std::string names;
  for (const v1::Key& key : keys.keys()) names += Printable(key.name()) + "\n";
  session.Answer(keys, options.names ? names : RenderKeys(keys, session.style()));
  return {};
}

Outcome GetKey(Session& session, const std::string& name, v1::Key& key) {
  v1::GetKeyRequest request;
  request.set_name(name);
  return session.client().Call(&v1::KeyService::Stub::GetKey, request, key);
}

Outcome RunShow(Session& session, const NameOptions& options) {
  v1::Key key;
  Outcome outcome = GetKey(session, options.name, key);
  if (outcome.ok()) session.Answer(key, RenderKey(key, session.style()));
  return outcome;
}

Outcome RunPublic(Session& session, const OutOptions& options) {
  v1::Key key;
  if (Outcome outcome = GetKey(session, options.name, key); !outcome.ok()) return outcome;
  const std::string& pem = key.public_key_pem();
  return session.Deliver(key, options.out, AsBytes(pem), PrintableLines(pem), "the public key");
}

Outcome RunPem(Session& session, const OutOptions& options) {
  v1::Key key;
  if (Outcome outcome = GetKey(session, options.name, key); !outcome.ok()) return outcome;
  const std::string& pem = key.tss2_pem();
  return session.Deliver(key, options.out, AsBytes(pem), PrintableLines(pem), "the wrapped key");
}

bool Confirmed(Terminal& terminal, const std::string& name) {
  terminal.err << "Destroy the key \"" << Printable(name)
               << "\" and its certificates? Nothing can bring them back. [y/N] " << std::flush;
  std::string answer;
  std::getline(terminal.in, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Outcome RunDelete(Session& session, const DeleteOptions& options) {
  if (!options.yes && !session.terminal().interactive) {
    return Usage("key delete: there is no terminal to ask on; give --yes to destroy the key");
  }
  if (!options.yes && !Confirmed(session.terminal(), options.name)) {
    return {ExitCode::kNo, Fail(Code::kCancelled, "NOT_CONFIRMED", "the key was left alone"), ""};
  }
  v1::DeleteKeyRequest request;
  request.set_name(options.name);
  v1::DeleteKeyResponse response;
  Outcome outcome = session.client().Call(&v1::KeyService::Stub::DeleteKey, request, response);
  if (outcome.ok()) {
    session.Answer(response, "destroyed the key " + Printable(options.name) + "\n");
  }
  return outcome;
}

void AddName(CLI::App* command, std::string& name) {
  command->add_option("NAME", name, "The key's name")->required()->type_name("");
}

void AddCreate(CLI::App& key, CommandLine& line) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App* create =
      AddCommand(key, line, "create", "Makes a key in the TPM, which it can never leave",
                 "  seaworthyctl key create tls\n"
                 "  seaworthyctl key create boot --algorithm rsa-2048 --pcrs sha256:0,7",
                 options, RunCreate);
  AddName(create, options->name);
  create->add_option("--algorithm", options->algorithm, "Kind of key")
      ->check(CLI::IsMember({"ec-p256", "ec-p384", "rsa-2048", "rsa-3072"}))
      ->capture_default_str();
  create
      ->add_option("--pcrs", options->pcrs,
                   "Bind the key to the present values of these PCRs, for example sha256:0,7")
      ->type_name("BANK:PCRS");
}

}  // namespace

void AddKeyCommands(CLI::App& app, CommandLine& line) {
  CLI::App& key = *app.add_subcommand("key", "Keys in the TPM and their certificates");
  key.require_subcommand(1);
  AddCreate(key, line);

  auto list = std::make_shared<ListOptions>();
  AddCommand(key, line, "list", "Lists the keys, damaged ones too",
             "  seaworthyctl key list\n  seaworthyctl key list --names", list, RunList)
      ->add_flag("--names", list->names, "Names only, one a line");

  auto show = std::make_shared<NameOptions>();
  AddName(AddCommand(key, line, "show", "Shows one key and its certificate",
                     "  seaworthyctl key show tls", show, RunShow),
          show->name);

  auto erase = std::make_shared<DeleteOptions>();
  CLI::App* command =
      AddCommand(key, line, "delete", "Destroys a key with its certificates, for ever",
                 "  seaworthyctl key delete old --yes", erase, RunDelete);
  AddName(command, erase->name);
  command->add_flag("--yes,-y", erase->yes, "Do not ask");

  auto public_key = std::make_shared<OutOptions>();
  command = AddCommand(key, line, "public", "Prints the public key, PEM",
                       "  seaworthyctl key public tls | openssl pkey -pubin -text -noout",
                       public_key, RunPublic);
  AddName(command, public_key->name);
  command->add_option("--out,-o", public_key->out, "Write it to this file")->type_name("FILE");

  auto pem = std::make_shared<OutOptions>();
  command =
      AddCommand(key, line, "pem",
                 "Prints the wrapped key, TSS2 PRIVATE KEY PEM, for other programs of this node",
                 "  seaworthyctl key pem tls --out tls.pem\n"
                 "  openssl pkeyutl -provider tpm2 -provider default -sign -inkey tls.pem ...",
                 pem, RunPem);
  AddName(command, pem->name);
  command->add_option("--out,-o", pem->out, "Write it to this file")->type_name("FILE");

  AddKeyUseCommands(key, line);
}

}  // namespace seaworthy::ctl
