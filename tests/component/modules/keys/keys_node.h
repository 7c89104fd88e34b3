// The keys module of one node: broker, provider and module over a TPM and a state folder.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "seaworthy/modules/keys.h"
#include "seaworthy/tls/key_provider.h"

namespace seaworthy::testing {

class KeysNode {
 public:
  KeysNode(const std::string& tcti, const std::string& state_dir)
      : broker_({.tcti = tcti, .state_dir = state_dir, .on_change = {}}),
        provider_(tls::KeyProvider::Load(broker_).value()),
        state_dir_(state_dir) {}

  // A new life of the module on the same files.
  Status Start() {
    keys_ = std::make_unique<keys::Keys>(
        keys::Keys::Parts{
            .broker = broker_,
            .provider = *provider_,
            .events = events_,
            .certify = [this](Deadline deadline, const tpm::WrappedKey& key,
                              ByteView nonce) { return Certify(deadline, key, nonce); },
            .changed =
                [this](const std::string& name) {
                  const std::lock_guard lock(mutex_);
                  changed_.push_back(name);
                },
        },
        state_dir_);
    return keys_->Start();
  }

  keys::Keys& keys() { return *keys_; }
  tpm::Broker& broker() { return broker_; }
  tpm::WrappedKey ak() const { return *ak_; }

  // Names for which `changed` was called since the last time.
  std::vector<std::string> TakeChanged() {
    const std::lock_guard lock(mutex_);
    return std::exchange(changed_, {});
  }

  // "type target" of all events so far.
  std::vector<std::string> Events() const {
    std::vector<std::string> texts;
    for (const Event& event : events_.WaitFrom(1, DeadlineIn(std::chrono::milliseconds(0)))) {
      texts.push_back(event.type + " " + event.target);
    }
    return texts;
  }

 private:
  Result<verify::KeyCertification> Certify(Deadline deadline, const tpm::WrappedKey& key,
                                           ByteView nonce) {
    return broker_.Run(deadline, [&](tpm::Context& context) -> Result<verify::KeyCertification> {
      if (!ak_) ak_ = tpm::CreateKey(context, {.restricted = true, .policy = {}}).value();
      const auto attestation = tpm::Certify(context, *ak_, key, nonce);
      if (!attestation.ok()) return attestation.status();
      return verify::KeyCertification{
          .key_public = tpm::ReadPublicKey(key)->public_area,
          .ak_public = tpm::ReadPublicKey(*ak_)->public_area,
          .attested = attestation->attested,
          .signature = attestation->signature,
      };
    });
  }

  tpm::Broker broker_;
  std::unique_ptr<tls::KeyProvider> provider_;
  const std::string state_dir_;
  seaworthy::Events events_;
  std::optional<tpm::WrappedKey> ak_;
  std::mutex mutex_;
  std::vector<std::string> changed_;
  std::unique_ptr<keys::Keys> keys_;
};

}  // namespace seaworthy::testing
