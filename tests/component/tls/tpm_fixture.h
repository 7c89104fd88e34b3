// A software TPM, the broker on it and the key provider; keys on demand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "seaworthy/tls/key_provider.h"
#include "seaworthy/tpm/key.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::testing {

class TpmFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = tls::KeyProvider::Load(broker_);
    ASSERT_THAT(loaded, IsOk());
    provider_ = *std::move(loaded);
  }

  tpm::WrappedKey Create(tpm::KeyAlgorithm algorithm) {
    auto created = broker_.Run(DeadlineIn(std::chrono::seconds(60)), [&](tpm::Context& context) {
      tpm::KeyTemplate key_template;
      key_template.algorithm = algorithm;
      return tpm::CreateKey(context, key_template);
    });
    EXPECT_THAT(created, IsOk());
    return created.ok() ? *std::move(created) : tpm::WrappedKey();
  }

  tls::EvpPkeyPtr Load(const tpm::WrappedKey& wrapped) {
    auto key = provider_->Key(wrapped);
    EXPECT_THAT(key, IsOk());
    return key.ok() ? *std::move(key) : nullptr;
  }

  SwTpm sw_tpm_;
  TempRoot root_;
  tpm::Broker broker_{{.tcti = sw_tpm_.tcti(), .state_dir = root_ / "state", .on_change = {}}};
  std::unique_ptr<tls::KeyProvider> provider_;
};

}  // namespace seaworthy::testing
