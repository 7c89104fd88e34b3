// A volume opened by the TPM: by us, by systemd's token plugin, by Clevis. Nothing is mapped: what
// is measured ends with the keyslot's passphrase tried.
#pragma once

#include <memory>
#include <string>

#include "seaworthy/tpm/broker.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::bench {

class VolumeOpening {
 public:
  // Three volumes, each with a software TPM of its own, sealed to PCR 7 by whoever opens it.
  VolumeOpening();
  ~VolumeOpening();

  // As the daemon does it, whose connection to the TPM is open: with the header judged, and its
  // record and the TPM's counter compared.
  void Ours() const;
  void SystemdPlugin() const;
  // A program, and those that it starts.
  void Clevis() const;
  // What the others leave in a TPM without resource manager, which has few places.
  void Flush() const;

 private:
  std::string MakeVolume(const std::string& name, const testing::SwTpm& tpm) const;

  const testing::TempRoot root_;
  const testing::SwTpm our_tpm_, systemds_tpm_, clevis_tpm_;
  std::unique_ptr<tpm::Broker> broker_;
  std::string ours_, systemds_, clevis_;
};

}  // namespace seaworthy::bench
