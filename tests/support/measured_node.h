// A node whose kernel measures: the TPM is real, the kernel's part is done here, in its order: an
// entry into the list, a file, and then PCR 10 extended.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tss2/tss2_esys.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "seaworthy/tpm/broker.h"
#include "support/ima_entry.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"
#include "tpm/context.h"

namespace seaworthy::testing {

class MeasuredNode {
 public:
  MeasuredNode() { Boot(); }

  // The node starts, with nothing but the boot aggregate, of PCRs that are all zeros, in its list.
  void Boot() {
    std::ofstream(list_, std::ios::trunc);
    broker_ = std::make_unique<tpm::Broker>(tpm::Broker::Options{
        .tcti = swtpm_.tcti(), .state_dir = root_.path().string(), .on_change = {}});
    Bytes aggregate(32);
    verify::ShortDigest(TPM2_ALG_SHA256, {Bytes(10 * 32)}, aggregate.data());
    Measure("boot_aggregate", aggregate);
  }
  // Without a new list: what follows is Boot.
  void Reset() {
    broker_->Close();
    swtpm_.Kill();
    swtpm_.Start();
  }

  void Measure(const std::string& path, ByteView digest) {
    const Bytes entry = MakeImaNgEntry(path, digest);
    List(entry);
    Extend(ImaExtension(entry));
  }
  void List(ByteView entry) {
    std::ofstream(list_, std::ios::app | std::ios::binary) << AsText(entry);
  }
  void Extend(ByteView sha256) {
    TPML_DIGEST_VALUES digests = {};
    digests.count = 1;
    digests.digests[0].hashAlg = TPM2_ALG_SHA256;
    std::ranges::copy(sha256, digests.digests[0].digest.sha256);
    ASSERT_THAT(broker_->Run(DeadlineIn(std::chrono::seconds(20)),
                             [&](tpm::Context& context) {
                               return context.Check(
                                   Esys_PCR_Extend(context.esys(), ESYS_TR_PCR10, ESYS_TR_PASSWORD,
                                                   ESYS_TR_NONE, ESYS_TR_NONE, &digests),
                                   "TPM2_PCR_Extend");
                             }),
                IsOk());
  }

  const std::string& list() const { return list_; }
  const TempRoot& root() const { return root_; }
  SwTpm& swtpm() { return swtpm_; }
  tpm::Broker& broker() { return *broker_; }

 private:
  TempRoot root_;
  SwTpm swtpm_;
  const std::string list_ = root_ / "list";
  std::unique_ptr<tpm::Broker> broker_;
};

}  // namespace seaworthy::testing
