// The least a backend does with a node: enrols it once, then asks it for evidence round after round
// and judges that by a policy. Explained step by step in docs/backend.md.
//
//   backend ADDRESS TLS_FOLDER VENDOR_CERTIFICATES POLICY NODE_FOLDER
//
// TLS_FOLDER has ca.pem, client.pem and client.key. NODE_FOLDER keeps what the backend knows of the
// node: ak (its enrolled key's TPM name, hex) and state. Exit code 0: trusted, 1: not.
#include <grpcpp/grpcpp.h>
#include <seaworthy/enrolment.h>
#include <seaworthy/verifier.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "seaworthy/v1/attestation.grpc.pb.h"

namespace {

using Node = seaworthy::v1::AttestationService::Stub;
namespace verify = seaworthy::verify;
namespace v1 = seaworthy::v1;
using seaworthy::AsBytes;
using seaworthy::Bytes;
using std::chrono::seconds;

[[noreturn]] void Give(const std::string& what) {
  std::cerr << "backend: " << what << "\n";
  std::exit(2);
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Give("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A backend with many nodes keeps this in its database; it replaces it as a whole.
void Write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path.string() + ".new", std::ios::binary) << text;
  std::filesystem::rename(path.string() + ".new", path);
}

Bytes Random(std::size_t size) {
  std::random_device device;  // the kernel's generator
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(device());
  return bytes;
}

std::string Text(const Bytes& bytes) { return std::string(seaworthy::AsText(bytes)); }

std::unique_ptr<Node> Connect(const std::string& address, const std::filesystem::path& tls) {
  const grpc::SslCredentialsOptions credentials{.pem_root_certs = Read(tls / "ca.pem"),
                                                .pem_private_key = Read(tls / "client.key"),
                                                .pem_cert_chain = Read(tls / "client.pem")};
  return v1::AttestationService::NewStub(
      grpc::CreateChannel(address, grpc::SslCredentials(credentials)));
}

void Check(const grpc::Status& status, const std::string& what) {
  if (!status.ok()) Give(what + ": " + status.error_message());
}

void Print(const std::vector<verify::Finding>& findings) {
  for (const verify::Finding& finding : findings) {
    if (finding.severity == verify::Severity::kInfo) continue;
    std::cout << finding.code << " " << finding.file << ": " << finding.sentence << "\n";
  }
}

// The name of the node's attestation key, once it is shown that the key lives in a TPM of a known
// vendor.
verify::EnrolledKey Enrol(Node& node, const verify::VendorCertificates& vendors) {
  v1::Endorsement offer;
  grpc::ClientContext offering;
  offering.set_deadline(std::chrono::system_clock::now() + seconds(120));
  Check(node.GetEndorsement(&offering, {}, &offer), "GetEndorsement");
  const auto endorsement = verify::ParseEndorsement(AsBytes(offer.SerializeAsString()));
  if (!endorsement.ok()) Give(seaworthy::Message(endorsement.status()));
  const verify::EndorsementVerdict verdict =
      verify::VerifyEndorsement(*endorsement, vendors, std::chrono::system_clock::now());
  Print(verdict.findings);
  if (!verdict.trusted) std::exit(1);

  const Bytes secret = verify::MakeSecret().value();
  const auto credential = verify::MakeCredential(verdict.ek_public, verdict.ak.name, secret);
  if (!credential.ok()) Give(seaworthy::Message(credential.status()));
  v1::ActivateCredentialRequest challenge;
  challenge.set_endorsement_key_name(Text(verify::NameOf(verdict.ek_public).value()));
  challenge.set_credential_blob(Text(credential->blob));
  challenge.set_encrypted_secret(Text(credential->encrypted_secret));
  v1::ActivateCredentialResponse answer;
  grpc::ClientContext answering;
  answering.set_deadline(std::chrono::system_clock::now() + seconds(120));
  Check(node.ActivateCredential(&answering, challenge, &answer), "ActivateCredential");
  if (!verify::IsSecret(AsBytes(answer.secret()), secret)) Give("the answer is not the secret");
  return verdict.ak;
}

verify::Judgement Attest(Node& node, const verify::Verifier& verifier,
                         const verify::EnrolledKey& ak,
                         const std::optional<verify::NodeState>& previous) {
  const Bytes nonce = Random(32);
  v1::AttestRequest request;
  request.set_nonce(Text(nonce));
  if (previous) {
    request.set_ima_first(previous->ima_entries);
    request.set_reset_count(previous->reset_count);
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(60));
  const auto parts = node.Attest(&context, request);
  v1::Evidence part;
  if (!parts->Read(&part)) Check(parts->Finish(), "Attest");
  const auto evidence = verify::ParseEvidence(AsBytes(part.SerializeAsString()));
  if (!evidence.ok()) Give(seaworthy::Message(evidence.status()));
  // Judged as it comes: however long the list is, the backend has one part of it in memory.
  verify::Round round = verifier.Begin(*evidence, nonce, ak, previous);
  while (parts->Read(&part)) round.AddImaList(AsBytes(part.ima_list()));
  Check(parts->Finish(), "Attest");
  return std::move(round).Finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Give("ADDRESS TLS_FOLDER VENDOR_CERTIFICATES POLICY NODE_FOLDER");
  const std::unique_ptr<Node> node = Connect(argv[1], argv[2]);
  const std::filesystem::path known = argv[5];

  verify::EnrolledKey ak;
  if (!std::filesystem::exists(known / "ak")) {
    const auto vendors = verify::ParseCertificates(AsBytes(Read(argv[3])));
    if (!vendors.ok()) Give(seaworthy::Message(vendors.status()));
    ak = Enrol(*node, *vendors);
    Write(known / "ak", seaworthy::Hex(ak.name));
  } else {
    ak.name = seaworthy::ParseHex(Read(known / "ak")).value();
  }

  auto policy = verify::ParsePolicy(Read(argv[4]));
  if (!policy.ok()) Give(seaworthy::Message(policy.status()));
  const auto verifier = verify::Verifier::Create(*std::move(policy));
  if (!verifier.ok()) Give(seaworthy::Message(verifier.status()));
  std::optional<verify::NodeState> previous;
  if (std::filesystem::exists(known / "state")) {
    previous = verify::ParseNodeState(Read(known / "state")).value();
  }

  const verify::Judgement judgement = Attest(*node, *verifier, ak, previous);
  Print(judgement.verdict.findings);
  if (judgement.state) Write(known / "state", verify::ToJson(*judgement.state));
  std::cout << (judgement.verdict.trusted ? "trusted" : "NOT trusted") << "\n";
  return judgement.verdict.trusted ? 0 : 1;
}
