// The integrity module: what the kernel's IMA and EVM do on the node.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/events.h"
#include "seaworthy/module.h"
#include "seaworthy/modules/integrity/ima_list_state.h"
#include "seaworthy/tpm/broker.h"

namespace seaworthy::integrity {

class ImaWatch;

class Integrity final : public Module {
 public:
  struct Options {
    std::string state_dir;
    std::string ima_list;       // the kernel's binary list; empty: not followed
    std::string allowed_files;  // a verifier's policy, of which the part "ima" holds; or empty
  };

  // Both outlive it.
  Integrity(tpm::Broker& broker, Events& events, Options options);
  ~Integrity() override;

  // Judges the list by another file, all of it anew; what was holds when that is none:
  // INVALID_ARGUMENT or NOT_FOUND with the file's name.
  Status Allow(const std::string& allowed_files);

  ImaListState list() const;
  // SHA-256, hex, of the IMA policy that was loaded in this boot, as far as the daemon saw it.
  std::string active_policy() const;

  std::string_view name() const override { return "integrity"; }
  Status Start() override;
  void Stop() noexcept override;
  Health Check() const override;
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) override;

 private:
  const Options options_;
  Events& events_;
  const std::unique_ptr<ImaWatch> watch_;
  mutable std::mutex mutex_;
  Status allowed_files_;  // why they are not used; guarded by mutex_
};

}  // namespace seaworthy::integrity
