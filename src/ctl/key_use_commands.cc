// key sign, csr, install, rotate, certify.
#include "ctl/arguments.h"
#include "ctl/command.h"
#include "ctl/digest.h"
#include "ctl/render.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/key.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

constexpr std::size_t kMaxChainFile = 1024 * 1024;
// Rotation makes a key: see create.
constexpr std::chrono::seconds kRotateTimeout{120};

struct SignOptions {
  std::string name;
  std::string digest;
  std::string file;
  bool from_stdin = false;
  std::string hash;
  std::string scheme;
  std::string out;
};

struct CsrOptions {
  std::string name;
  std::string subject;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;
  std::string out;
};

struct InstallOptions {
  std::string name;
  std::string chain;
};

struct CertifyOptions {
  std::string name;
  std::string nonce;
  bool next = false;
  std::string out;
};

// Fills hash and digest from whichever of the three sources was given.
Status FillDigest(const SignOptions& options, std::istream& in, v1::SignRequest& request) {
  request.set_hash(ParseHash(options.hash.empty() ? "sha256" : options.hash));
  Bytes digest;
  if (!options.digest.empty()) {
    ASSIGN_OR_RETURN(digest, ParseHex(options.digest));
    // Said by its length when not said otherwise.
    for (const v1::HashAlgorithm hash : {v1::SHA384, v1::SHA512}) {
      if (options.hash.empty() && digest.size() == HashSize(hash)) request.set_hash(hash);
    }
    if (digest.size() != HashSize(request.hash())) {
      return Fail(Code::kInvalidArgument, "USAGE",
                  "--digest: has " + std::to_string(digest.size()) + " bytes, " +
                      FormatHash(request.hash()) + " has " +
                      std::to_string(HashSize(request.hash())));
    }
  } else if (!options.file.empty()) {
    ASSIGN_OR_RETURN(digest, HashFile(options.file, request.hash()));
  } else {
    ASSIGN_OR_RETURN(digest, HashStream(in, request.hash()));
  }
  request.set_digest(digest.data(), digest.size());
  return {};
}

Outcome RunSign(Session& session, const SignOptions& options) {
  v1::SignRequest request;
  request.set_name(options.name);
  request.set_scheme(ParseScheme(options.scheme));
  if (Status status = FillDigest(options, session.terminal().in, request); !status.ok()) {
    return Usage(status);
  }
  v1::SignResponse response;
  if (Outcome outcome = session.client().Call(&v1::KeyService::Stub::Sign, request, response);
      !outcome.ok()) {
    return outcome;
  }
  const ByteView signature = AsBytes(response.signature());
  return session.Deliver(response, options.out, signature, Hex(signature) + "\n", "the signature");
}

v1::CsrSubject Subject(const CsrOptions& options) {
  v1::CsrSubject subject;
  subject.set_distinguished_name(options.subject);
  subject.mutable_dns_names()->Add(options.dns_names.begin(), options.dns_names.end());
  subject.mutable_ip_addresses()->Add(options.ip_addresses.begin(), options.ip_addresses.end());
  subject.mutable_uris()->Add(options.uris.begin(), options.uris.end());
  return subject;
}

Outcome RunCsr(Session& session, const CsrOptions& options) {
  v1::CreateCsrRequest request;
  request.set_name(options.name);
  *request.mutable_subject() = Subject(options);
  v1::CreateCsrResponse response;
  if (Outcome outcome = session.client().Call(&v1::KeyService::Stub::CreateCsr, request, response);
      !outcome.ok()) {
    return outcome;
  }
  return session.Deliver(response, options.out, AsBytes(response.csr_pem()),
                         PrintableLines(response.csr_pem()), "the certificate request");
}

Outcome RunRotate(Session& session, const CsrOptions& options) {
  v1::RotateKeyRequest request;
  request.set_name(options.name);
  *request.mutable_subject() = Subject(options);
  v1::RotateKeyResponse response;
  if (Outcome outcome = session.client().Call(&v1::KeyService::Stub::RotateKey, request, response,
                                              kRotateTimeout);
      !outcome.ok()) {
    return outcome;
  }
  return session.Deliver(response, options.out, AsBytes(response.csr_pem()),
                         PrintableLines(response.csr_pem()), "the next key's certificate request");
}

Outcome RunInstall(Session& session, const InstallOptions& options) {
  Result<Bytes> chain = ReadFile(options.chain, kMaxChainFile);
  if (!chain.ok()) return Usage(chain.status());
  v1::InstallCertificateRequest request;
  request.set_name(options.name);
  request.set_certificate_chain_pem(std::string(AsText(*chain)));
  v1::Key key;
  Outcome outcome = session.client().Call(&v1::KeyService::Stub::InstallCertificate, request, key);
  if (outcome.ok()) session.Answer(key, RenderKey(key, session.style()));
  return outcome;
}

Outcome RunCertify(Session& session, const CertifyOptions& options) {
  if (options.out.empty() && !session.json()) return Usage("key certify: give --out FILE");
  Result<Bytes> nonce = ParseNonce(options.nonce);
  if (!nonce.ok()) return Usage(nonce.status());
  v1::CertifyKeyRequest request;
  request.set_name(options.name);
  request.set_nonce(nonce->data(), nonce->size());
  request.set_next(options.next);
  v1::CertifyKeyResponse response;
  if (Outcome outcome = session.client().Call(&v1::KeyService::Stub::CertifyKey, request, response);
      !outcome.ok()) {
    return outcome;
  }
  const std::string serialized = response.certification().SerializeAsString();
  return session.Deliver(response, options.out, AsBytes(serialized), "", "the certification");
}

void AddSign(CLI::App& key, CommandLine& line) {
  auto options = std::make_shared<SignOptions>();
  CLI::App* sign =
      AddCommand(key, line, "sign", "Signs a digest, or a file that is hashed here first",
                 "  seaworthyctl key sign tls --file image.tar --out image.sig\n"
                 "  openssl dgst -sha256 -verify tls-public.pem -signature image.sig image.tar\n"
                 "  seaworthyctl key sign tls --digest \"$(sha256sum < image.tar | cut -c -64)\"",
                 options, RunSign);
  sign->add_option("NAME", options->name, "The key's name")->required()->type_name("");
  CLI::Option_group* what = sign->add_option_group("What to sign");
  what->add_option("--digest", options->digest, "This digest")->type_name("HEX");
  what->add_option("--file", options->file, "The content of this file")->type_name("FILE");
  what->add_flag("--stdin", options->from_stdin, "What standard input has");
  what->require_option(1);
  sign->add_option("--hash", options->hash,
                   "How the digest is or was made (sha256; for --digest by its length)")
      ->check(CLI::IsMember({"sha256", "sha384", "sha512", "256", "384", "512"}));
  sign->add_option("--scheme", options->scheme, "ecdsa for EC keys, rsa-pss for RSA by default")
      ->check(CLI::IsMember({"ecdsa", "rsa-pkcs1", "rsa-pss"}));
  sign->add_option("--out,-o", options->out, "Write the signature to this file, binary")
      ->type_name("FILE");
}

void AddSubject(CLI::App* command, const std::shared_ptr<CsrOptions>& options) {
  command->add_option("NAME", options->name, "The key's name")->required()->type_name("");
  command
      ->add_option("--subject", options->subject,
                   "Distinguished name, RFC 4514, for example \"CN=node-17,O=Example\"")
      ->required()
      ->type_name("DN");
  // One value an option, so that a name is never taken for the next argument.
  command->add_option("--dns", options->dns_names, "DNS name; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--ip", options->ip_addresses, "IP address; may be repeated")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  command->add_option("--uri", options->uris, "URI; may be repeated")
      ->type_name("URI")
      ->allow_extra_args(false);
  command->add_option("--out,-o", options->out, "Write the request to this file")
      ->type_name("FILE");
}

void AddCertify(CLI::App& key, CommandLine& line) {
  auto options = std::make_shared<CertifyOptions>();
  CLI::App* certify = AddCommand(
      key, line, "certify",
      "Has the attestation key certify that the key lives in this TPM (see verify-key)",
      "  seaworthyctl key certify tls --nonce \"$NONCE\" --out tls.cert.bin", options, RunCertify);
  certify->add_option("NAME", options->name, "The key's name")->required()->type_name("");
  certify->add_option("--nonce", options->nonce, "The verifier's nonce, 16 to 64 bytes")
      ->required()
      ->type_name("HEX");
  certify->add_flag("--next", options->next, "Certify the key that waits in a rotation");
  certify->add_option("--out,-o", options->out, "Write the certification to this file")
      ->type_name("FILE");
}

}  // namespace

void AddKeyUseCommands(CLI::App& key, CommandLine& line) {
  AddSign(key, line);

  auto csr = std::make_shared<CsrOptions>();
  AddSubject(AddCommand(key, line, "csr", "Makes a certificate request (PKCS#10) for the key",
                        "  seaworthyctl key csr tls --subject CN=node-17 --dns node-17.example.net "
                        "--out tls.csr",
                        csr, RunCsr),
             csr);

  auto install = std::make_shared<InstallOptions>();
  CLI::App* command =
      AddCommand(key, line, "install", "Installs the certificate that a CA made for the key",
                 "  seaworthyctl key install tls --chain tls-chain.pem", install, RunInstall);
  command->add_option("NAME", install->name, "The key's name")->required()->type_name("");
  command->add_option("--chain", install->chain, "Certificate chain, PEM, leaf first")
      ->required()
      ->type_name("FILE");

  auto rotate = std::make_shared<CsrOptions>();
  AddSubject(
      AddCommand(key, line, "rotate",
                 "Makes a next key and its certificate request; the present key works on until "
                 "the new certificate is installed",
                 "  seaworthyctl key rotate tls --subject CN=node-17 --out next.csr\n"
                 "  seaworthyctl key install tls --chain next-chain.pem",
                 rotate, RunRotate),
      rotate);
  AddCertify(key, line);
}

}  // namespace seaworthy::ctl
