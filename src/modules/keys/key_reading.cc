#include "modules/keys/key_reading.h"

#include "modules/keys/validate.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::keys {
namespace {

Status Damaged(const Store::Files& files, const Status& why) {
  return Fail(Code::kFailedPrecondition, "KEY_DAMAGED", files.path + ": " + Message(why));
}

}  // namespace

Result<Key> ReadKey(const Store::Files& files) {
  Key key;
  key.name = files.metadata.name;
  key.created = files.metadata.created;
  key.wrapped = files.current;
  key.next = files.next;
  key.certificate_chain_pem = files.metadata.certificate_chain_pem;

  Result<tpm::PublicKey> public_key = tpm::ReadPublicKey(key.wrapped);
  if (!public_key.ok()) return Damaged(files, public_key.status());
  RETURN_IF_ERROR(Wrap(CheckSuitable(*public_key), files.path));
  key.public_key = *std::move(public_key);

  if (key.next) {
    const Result<tpm::PublicKey> next = tpm::ReadPublicKey(*key.next);
    if (!next.ok()) return Damaged(files, Wrap(next.status(), "next key"));
    RETURN_IF_ERROR(Wrap(CheckSuitable(*next), files.path + ": next key"));
  }

  if (!key.certificate_chain_pem.empty()) {
    Result<tls::CertificateInfo> leaf = tls::ReadLeaf(key.certificate_chain_pem);
    if (!leaf.ok()) return Damaged(files, Wrap(leaf.status(), "certificate_chain"));
    if (leaf->subject_public_key_info != key.public_key.subject_public_key_info) {
      return Fail(Code::kFailedPrecondition, "KEY_DAMAGED",
                  files.path + ": certificate_chain: the first certificate is for another key");
    }
    key.certificate = *std::move(leaf);
  }
  return key;
}

}  // namespace seaworthy::keys
