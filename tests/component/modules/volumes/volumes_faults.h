// The module's volumes on a TPM that goes away, or while something else happens.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "component/modules/volumes/volumes_fixture.h"
#include "support/tpm_bus.h"

namespace seaworthy::volumes {

class VolumesFaults : public VolumesModule {
 protected:
  VolumesFaults() : bus_(swtpm_.tcti()) {
    volumes_.reset();
    broker_ = std::make_unique<tpm::Broker>(
        tpm::Broker::Options{.tcti = bus_.tcti(), .state_dir = root_ / "tpm", .on_change = {}});
    Restart();
  }
  ~VolumesFaults() override {
    volumes_.reset();
    broker_.reset();
  }

  // Commands are counted from now on, the first one is 0.
  void LoseTpmFrom(int command) {
    bus_.Meddle([command, count = 0](std::uint32_t, const Bytes& bytes,
                                     const testing::TpmBus::Tpm& tpm) mutable {
      return count++ < command ? tpm(bytes) : Bytes();
    });
  }
  // For this one command.
  void LoseTpmAt(int command) {
    bus_.Meddle([command, count = 0](std::uint32_t, const Bytes& bytes,
                                     const testing::TpmBus::Tpm& tpm) mutable {
      return count++ != command ? tpm(bytes) : Bytes();
    });
  }
  void At(int command, const std::function<void()>& happens) {
    bus_.Meddle([command, happens, count = 0](std::uint32_t, const Bytes& bytes,
                                              const testing::TpmBus::Tpm& tpm) mutable {
      if (count++ == command) happens();
      return tpm(bytes);
    });
  }
  void AllIsWell() { bus_.Meddle(nullptr); }

  // As a resource manager does for a connection that is gone.
  void FlushTpm() { EXPECT_TRUE(Shell("tpm2_flushcontext -t; tpm2_flushcontext -l")); }

  bool StockOpens(const SecretBytes& passphrase, const std::string& file = "data.img") {
    EXPECT_THAT(ReplaceFile(root_ / "key", passphrase.view(), 0600), testing::IsOk());
    return Shell("cryptsetup open --test-passphrase --key-file key " + file);
  }

  void ExpectRecoverable(const SecretBytes& recovery_key) {
    EXPECT_THAT(Test(RecoveryKey(recovery_key)).status, testing::IsOk());
    EXPECT_TRUE(StockOpens(recovery_key)) << FileText("shell.log");
  }

  void ExpectEachWayOpens(const SecretBytes& recovery_key) {
    const TestedVolume by_tpm = Test();
    EXPECT_THAT(by_tpm.status, testing::IsOk());
    EXPECT_TRUE(by_tpm.header_checked);
    ExpectRecoverable(recovery_key);
  }

  Bytes Disk(const EnrolledVolume& made) const { return ContentOf(made.volume.entry.device); }
  using VolumesModule::Disk;
  static Bytes ContentOf(const std::string& path) {
    return ReadFile(path, std::size_t{64} << 20).value_or(Bytes());
  }

  testing::TpmBus bus_;
};

}  // namespace seaworthy::volumes
