#include "seaworthy/modules/keys.h"

#include <algorithm>
#include <optional>

#include "modules/keys/inventory.h"
#include "modules/keys/key_reading.h"
#include "modules/keys/store.h"
#include "modules/keys/validate.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::keys {
namespace {

using Clock = std::chrono::system_clock;

// For changes that come without a deadline and touch the disk only.
constexpr std::chrono::seconds kChangeTimeout(10);
constexpr std::chrono::hours kExpiringSoon(30 * 24);
constexpr std::chrono::hours kSelfSignedLifetime(365 * 24);

Status NotFound(const std::string& name) {
  return Fail(Code::kNotFound, "KEY_NOT_FOUND", "there is no key named " + name);
}

std::string InWords(const std::string& name) { return "key " + name; }

// Whether a failure to read says something about the files, and not about the moment.
bool IsDamage(const Status& status) { return status.code() == Code::kFailedPrecondition; }

// "a, b, c and 7 more".
std::string JoinNames(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

}  // namespace

class Keys::State {
 public:
  State(Parts parts, std::string state_dir)
      : parts_(std::move(parts)), state_dir_(std::move(state_dir)) {}

  Parts& parts() { return parts_; }
  Inventory& inventory() { return inventory_; }

  Status Start();

  // Null, with the reason, when Start failed.
  Result<const Store*> OpenStore() const {
    if (store_) return &*store_;
    return Fail(Code::kFailedPrecondition, "KEYS_UNAVAILABLE",
                "the keys' folder " + state_dir_ + "/keys is not open");
  }

  // The key as its files say now; a damaged one has a problem. Fails only when it is not
  // there.
  Result<Key> Read(const std::string& name);

  // The same for the holder of the claim, who has changed the files: the new truth.
  Result<Key> ReadChanged(const std::string& name);

  // The key as it was last read, fit for use.
  Result<std::shared_ptr<const Key>> Usable(const std::string& name) const;

  Result<std::vector<Bytes>> Sign(Deadline deadline, const std::string& name,
                                  std::optional<tpm::SignatureScheme> scheme,
                                  tpm::HashAlgorithm hash, std::span<const ByteView> digests);

  Health Check() const;

  Status AddNext(Deadline deadline, const Store::Files& files, const Key& current,
                 const tls::Subject& subject, Rotation& rotation);

 private:
  Result<Key> ReadFiles(const std::string& name) const;
  void Report(const Key& key);

  Parts parts_;
  const std::string state_dir_;
  std::optional<Store> store_;  // set in Start
  std::size_t foreign_ = 0;     // entries of the folder that cannot be keys; set in Start
  Inventory inventory_;
};

Status Keys::State::Start() {
  ASSIGN_OR_RETURN(store_, Store::Open(state_dir_));
  store_->Sweep();
  ASSIGN_OR_RETURN(const Store::Names names, store_->List());
  foreign_ = names.foreign.size();
  if (foreign_ > 0) {
    Log(Level::kWarning,
        store_->path() + ": ignored entries that are no keys: " + std::to_string(foreign_));
  }
  const Clock::time_point soon = Clock::now() + kExpiringSoon;
  for (const std::string& name : names.keys) {
    const Result<Key> key = Read(name);
    if (key.ok() && key->certificate && key->certificate->not_after < soon) {
      parts_.events.Publish(
          "key.certificate_expiring", name,
          "the certificate of key " + name + " is expired or expires within 30 days");
    }
  }
  return {};
}

Result<Key> Keys::State::ReadFiles(const std::string& name) const {
  ASSIGN_OR_RETURN(const Store* store, OpenStore());
  ASSIGN_OR_RETURN(const Store::Files files, store->Load(name));
  return ReadKey(files);
}

Result<Key> Keys::State::Read(const std::string& name) {
  const std::uint64_t version = inventory_.version();
  Result<Key> key = ReadFiles(name);
  if (key.status().code() == Code::kNotFound) {
    inventory_.Note(version, name, nullptr);
    return key;
  }
  RETURN_IF_ERROR(OpenStore().status());
  // Out of descriptors, for example, is no reason to stop using a key that is known.
  const bool lasting = key.ok() || IsDamage(key.status()) || inventory_.Find(name) == nullptr;
  if (!key.ok()) {
    Key damaged;
    damaged.name = name;
    damaged.problem = key.status();
    key = std::move(damaged);
  }
  if (lasting && inventory_.Note(version, name, std::make_shared<const Key>(*key))) Report(*key);
  return key;
}

Result<Key> Keys::State::ReadChanged(const std::string& name) {
  ASSIGN_OR_RETURN(Key key, ReadFiles(name));
  inventory_.Put(key);
  return key;
}

void Keys::State::Report(const Key& key) {
  Log(Level::kError, "key " + key.name + " cannot be used: " + Message(key.problem));
  parts_.events.Publish("key.damaged", key.name, Message(key.problem));
}

Result<std::shared_ptr<const Key>> Keys::State::Usable(const std::string& name) const {
  RETURN_IF_ERROR(CheckName(name));
  std::shared_ptr<const Key> key = inventory_.Find(name);
  if (key == nullptr) return NotFound(name);
  RETURN_IF_ERROR(key->problem);
  return key;
}

Result<std::vector<Bytes>> Keys::State::Sign(Deadline deadline, const std::string& name,
                                             std::optional<tpm::SignatureScheme> scheme,
                                             tpm::HashAlgorithm hash,
                                             std::span<const ByteView> digests) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Key> key, Usable(name));
  const bool rsa = key->public_key.algorithm == tpm::KeyAlgorithm::kRsa2048 ||
                   key->public_key.algorithm == tpm::KeyAlgorithm::kRsa3072;
  const tpm::SignatureScheme usual =
      rsa ? tpm::SignatureScheme::kRsaPss : tpm::SignatureScheme::kEcdsa;
  std::vector<Bytes> signatures;
  for (const ByteView digest : digests) {
    Result<Bytes> signature = parts_.broker.Run(deadline, [&](tpm::Context& context) {
      return tpm::Sign(context, key->wrapped, scheme.value_or(usual), hash, digest);
    });
    if (!signature.ok()) return Wrap(signature.status(), InWords(name));
    signatures.push_back(*std::move(signature));
  }
  return signatures;
}

Health Keys::State::Check() const {
  std::vector<std::string> damaged, expired, expiring, early;
  const Clock::time_point now = Clock::now();
  for (const std::shared_ptr<const Key>& key : inventory_.All()) {
    if (!key->problem.ok()) damaged.push_back(key->name);
    if (!key->certificate) continue;
    if (now < key->certificate->not_before) {
      early.push_back(key->name);
    } else if (key->certificate->not_after < now) {
      expired.push_back(key->name);
    } else if (key->certificate->not_after < now + kExpiringSoon) {
      expiring.push_back(key->name);
    }
  }
  Health health;
  const auto degrade = [&](const std::string& what) {
    health.level = Health::Level::kDegraded;
    health.detail += (health.detail.empty() ? "" : "; ") + what;
  };
  if (!damaged.empty()) {
    degrade("damaged keys, restore their files or delete them: " + JoinNames(damaged));
  }
  if (!expired.empty()) degrade("expired certificates: " + JoinNames(expired));
  if (!early.empty()) {
    degrade("certificates that are not valid yet, is the clock right: " + JoinNames(early));
  }
  if (!expiring.empty()) {
    degrade("certificates that expire within 30 days: " + JoinNames(expiring));
  }
  if (foreign_ > 0) {
    degrade(store_->path() + " has " + std::to_string(foreign_) + " entries that are no keys");
  }
  return health;
}

Keys::Keys(Parts parts, std::string state_dir)
    : state_(std::make_unique<State>(std::move(parts), std::move(state_dir))) {}

Keys::~Keys() = default;

Status Keys::Start() { return state_->Start(); }

Health Keys::Check() const { return state_->Check(); }

Result<Key> Keys::Create(Deadline deadline, const std::string& name,
                         tpm::KeyTemplate key_template) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(const Store* store, state_->OpenStore());
  Inventory& inventory = state_->inventory();
  ASSIGN_OR_RETURN(const Inventory::Claim claim, inventory.ClaimKey(deadline, name));
  if (store->Exists(name)) {
    const Result<Key> there = state_->Read(name);
    const bool sound = there.ok() && there->problem.ok();
    return Fail(Code::kAlreadyExists, sound ? "KEY_EXISTS" : "KEY_DAMAGED",
                sound ? "there is a key named " + name
                      : "there is a damaged key named " + name + "; delete it or restore it");
  }
  if (inventory.NamesInUse() > kMaxKeys) {
    return Fail(Code::kResourceExhausted, "TOO_MANY_KEYS",
                "there are " + std::to_string(kMaxKeys) + " keys, no more are allowed");
  }
  key_template.restricted = false;
  ASSIGN_OR_RETURN(const tpm::WrappedKey wrapped,
                   state_->parts().broker.Run(deadline, [&](tpm::Context& context) {
                     return tpm::CreateKey(context, key_template);
                   }));
  Metadata metadata;
  metadata.name = name;
  metadata.created = std::chrono::floor<std::chrono::seconds>(Clock::now());
  RETURN_IF_ERROR(Wrap(store->Create(metadata, wrapped), InWords(name)));
  state_->parts().events.Publish("key.created", name, "key " + name + " was made");
  return state_->ReadChanged(name);
}

Result<Keys::Listing> Keys::List() const {
  ASSIGN_OR_RETURN(const Store* store, state_->OpenStore());
  ASSIGN_OR_RETURN(const Store::Names names, store->List());
  Listing listing;
  for (const std::string& name : names.keys) {
    listing.truncated = listing.keys.size() == kMaxKeys;
    if (listing.truncated) break;
    Result<Key> key = state_->Read(name);
    // One deleted meanwhile is left out.
    if (key.ok()) listing.keys.push_back(*std::move(key));
  }
  return listing;
}

Result<Key> Keys::Get(const std::string& name) const {
  RETURN_IF_ERROR(CheckName(name));
  return state_->Read(name);
}

Status Keys::Delete(const std::string& name) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(const Store* store, state_->OpenStore());
  ASSIGN_OR_RETURN(Inventory::Claim claim,
                   state_->inventory().ClaimKey(DeadlineIn(kChangeTimeout), name));
  const Status status = store->Remove(name);
  if (status.code() == Code::kNotFound) state_->inventory().Drop(name);
  if (status.code() == Code::kNotFound || store->Exists(name)) return Wrap(status, InWords(name));
  state_->inventory().Drop(name);
  state_->parts().events.Publish("key.deleted", name, "key " + name + " was deleted");
  claim.Release();
  state_->parts().changed(name);
  return Wrap(status, InWords(name));
}

Result<Bytes> Keys::Sign(Deadline deadline, const std::string& name,
                         std::optional<tpm::SignatureScheme> scheme, tpm::HashAlgorithm hash,
                         ByteView digest) {
  RETURN_IF_ERROR(CheckDigest(hash, digest));
  ASSIGN_OR_RETURN(std::vector<Bytes> signatures,
                   state_->Sign(deadline, name, scheme, hash, {&digest, 1}));
  return std::move(signatures.front());
}

Result<std::vector<Bytes>> Keys::SignBatch(Deadline deadline, const std::string& name,
                                           std::optional<tpm::SignatureScheme> scheme,
                                           tpm::HashAlgorithm hash,
                                           std::span<const ByteView> digests) {
  if (digests.empty() || digests.size() > kMaxBatch) {
    return Fail(Code::kInvalidArgument, "INVALID_BATCH",
                "digests: " + std::to_string(digests.size()) + ", must be 1 to " +
                    std::to_string(kMaxBatch));
  }
  for (std::size_t i = 0; i < digests.size(); ++i) {
    RETURN_IF_ERROR(CheckDigest(hash, digests[i], "digests[" + std::to_string(i) + "]"));
  }
  return state_->Sign(deadline, name, scheme, hash, digests);
}

Result<std::string> Keys::CreateCsr(const std::string& name, const tls::Subject& subject) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Key> key, state_->Usable(name));
  ASSIGN_OR_RETURN(const tls::EvpPkeyPtr pkey,
                   state_->parts().provider.Key(key->next ? *key->next : key->wrapped));
  return tls::MakeCsr(pkey.get(), subject);
}

Result<Key> Keys::InstallCertificate(const std::string& name, const std::string& chain_pem) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(const Store* store, state_->OpenStore());
  ASSIGN_OR_RETURN(const tls::CertificateInfo leaf, tls::CheckChain(chain_pem, Clock::now()));
  ASSIGN_OR_RETURN(Inventory::Claim claim,
                   state_->inventory().ClaimKey(DeadlineIn(kChangeTimeout), name));
  ASSIGN_OR_RETURN(const Store::Files files, store->Load(name));
  ASSIGN_OR_RETURN(const Key before, ReadKey(files));
  Metadata metadata = files.metadata;
  metadata.certificate_chain_pem = chain_pem;
  if (leaf.subject_public_key_info != before.public_key.subject_public_key_info) {
    bool for_next = false;
    if (files.next) {
      ASSIGN_OR_RETURN(const tpm::PublicKey next, tpm::ReadPublicKey(*files.next));
      for_next = leaf.subject_public_key_info == next.subject_public_key_info;
    }
    if (!for_next) {
      return Fail(Code::kInvalidArgument, "CERTIFICATE_KEY_MISMATCH",
                  "certificate_chain_pem: the first certificate is not for the key " + name +
                      (files.next ? " nor for its next key" : ""));
    }
    metadata.current = std::exchange(metadata.next, 0);
  }
  const Status status = store->Commit(metadata);
  // Also after an error: the files alone say which metadata is in force.
  Result<Key> key = state_->ReadChanged(name);
  const bool in_force = key.ok() && key->certificate_chain_pem == chain_pem;
  if (in_force) {
    state_->parts().events.Publish("key.certificate_installed", name,
                                   "a certificate was installed for key " + name);
    claim.Release();
    state_->parts().changed(name);
  }
  if (!status.ok()) return Wrap(status, InWords(name));
  return key;
}

Status Keys::State::AddNext(Deadline deadline, const Store::Files& files, const Key& current,
                            const tls::Subject& subject, Rotation& rotation) {
  if (files.metadata.current == kMaxGeneration) {
    return Fail(Code::kResourceExhausted, "TOO_MANY_ROTATIONS", "make a new key instead");
  }
  tpm::KeyTemplate key_template;
  key_template.algorithm = current.public_key.algorithm;
  if (files.current.policy) key_template.policy = files.current.policy->selection;
  ASSIGN_OR_RETURN(const tpm::WrappedKey next,
                   parts_.broker.Run(deadline, [&](tpm::Context& context) {
                     return tpm::CreateKey(context, key_template);
                   }));
  // The request first: one with a wrong subject must leave nothing behind.
  ASSIGN_OR_RETURN(rotation.next, tpm::ReadPublicKey(next));
  ASSIGN_OR_RETURN(const tls::EvpPkeyPtr pkey, parts_.provider.Key(next));
  ASSIGN_OR_RETURN(rotation.csr_pem, tls::MakeCsr(pkey.get(), subject));
  Metadata metadata = files.metadata;
  metadata.next = metadata.current + 1;
  return store_->AddNext(metadata, next);
}

Result<Keys::Rotation> Keys::Rotate(Deadline deadline, const std::string& name,
                                    const tls::Subject& subject) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(const Store* store, state_->OpenStore());
  ASSIGN_OR_RETURN(const Inventory::Claim claim, state_->inventory().ClaimKey(deadline, name));
  ASSIGN_OR_RETURN(const Store::Files files, store->Load(name));
  ASSIGN_OR_RETURN(const Key key, ReadKey(files));
  Rotation rotation;
  if (files.next) {
    ASSIGN_OR_RETURN(rotation.next, tpm::ReadPublicKey(*files.next));
    ASSIGN_OR_RETURN(const tls::EvpPkeyPtr pkey, state_->parts().provider.Key(*files.next));
    ASSIGN_OR_RETURN(rotation.csr_pem, tls::MakeCsr(pkey.get(), subject));
    return rotation;
  }
  const Status status = state_->AddNext(deadline, files, key, subject, rotation);
  // Also after an error: the files alone say which metadata is in force.
  const Result<Key> after = state_->ReadChanged(name);
  if (after.ok() && after->next) {
    state_->parts().events.Publish("key.rotation_started", name,
                                   "a next key of " + name + " waits for its certificate");
  }
  if (!status.ok()) return Wrap(status, InWords(name));
  return rotation;
}

Result<verify::KeyCertification> Keys::Certify(Deadline deadline, const std::string& name,
                                               ByteView nonce, bool next) {
  RETURN_IF_ERROR(CheckNonce(nonce));
  ASSIGN_OR_RETURN(const std::shared_ptr<const Key> key, state_->Usable(name));
  if (next && !key->next) {
    return Fail(Code::kFailedPrecondition, "NO_NEXT_KEY",
                "next: key " + name + " has no next key; rotate it first");
  }
  return state_->parts().certify(deadline, next ? *key->next : key->wrapped, nonce);
}

Result<Keys::ServerKey> Keys::GetServerKey(Deadline deadline, const std::string& name,
                                           tpm::KeyAlgorithm algorithm,
                                           const tls::Subject& subject) {
  Result<Key> key = Get(name);
  if (key.status().code() == Code::kNotFound) {
    tpm::KeyTemplate key_template;
    key_template.algorithm = algorithm;
    key = Create(deadline, name, key_template);
  }
  RETURN_IF_ERROR(key.status());
  RETURN_IF_ERROR(key->problem);
  ServerKey server;
  ASSIGN_OR_RETURN(server.key, state_->parts().provider.Key(key->wrapped));
  server.certificate_chain_pem = key->certificate_chain_pem;
  server.self_signed = key->certificate_chain_pem.empty();
  if (server.self_signed) {
    ASSIGN_OR_RETURN(
        server.certificate_chain_pem,
        tls::MakeSelfSigned(server.key.get(), subject, Clock::now(), kSelfSignedLifetime));
  }
  return server;
}

}  // namespace seaworthy::keys
