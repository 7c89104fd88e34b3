// The volumes module: LUKS2 volumes that the TPM opens, by name.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seaworthy/events.h"
#include "seaworthy/module.h"
#include "seaworthy/modules/volumes/activation.h"
#include "seaworthy/modules/volumes/header_accept.h"
#include "seaworthy/modules/volumes/reencryption.h"
#include "seaworthy/modules/volumes/unlock.h"
#include "seaworthy/modules/volumes/update.h"
#include "seaworthy/tpm/broker.h"
#include "seaworthy/verify.h"

namespace seaworthy::volumes {

// What the node knows of a volume without looking at it.
struct VolumeEntry {
  std::string name;    // 1 to 64 of a-z, 0-9 and "-"; also the mapping's
  std::string device;  // absolute path
  std::string uuid;    // the header's
  bool open_at_start = false;
  ActivationOptions mapping;
  // Names of guard keys (header_guard.h) that its header's record may be under: one; more where a
  // change was broken off; none where it was not opened since such names are noted.
  std::vector<std::string> guard_keys = {};
};

enum class VolumeState { kUnusable, kClosed, kOpen, kReencrypting };

enum class WayInKind { kByTpm, kByRecoveryKey, kByPassphrase, kByClevis, kByOtherToken };

struct PolicyShown {
  tpm::PcrSelection pcrs;
  std::optional<tpm::SignedPcrs> signed_pcrs;
  bool pin = false;
  bool legacy_parent = false;
};

struct WayInShown {
  std::uint32_t keyslot = 0;
  WayInKind kind = WayInKind::kByOtherToken;
  std::optional<std::uint32_t> token;
  PolicyShown policy;        // of kByTpm
  std::optional<bool> fits;  // of kByTpm; nothing: not known
};

struct Volume {
  VolumeEntry entry;
  VolumeState state = VolumeState::kUnusable;
  std::string label;
  std::string mapping;  // "/dev/mapper/NAME"
  std::vector<WayInShown> ways_in;
  std::uint64_t generation = 0;  // 0: the header has no record
  Status problem;                // why it is unusable, or could not be opened
};

// What opens a volume for a call.
struct VolumeSecret {
  enum class Kind { kTpm, kRecoveryKey, kPassphrase };
  Kind kind = Kind::kTpm;
  SecretBytes secret;  // of kTpm the PIN; empty: none
  bool unguarded = false;
};

// A boot to come.
struct ExpectedBoot {
  Update update;
  std::vector<std::string> phases;  // of systemd-pcrphase, see update.h
};

struct NewTpmWayIn {
  PolicyShown policy = {{tpm::HashAlgorithm::kSha256, 1U << 7}, std::nullopt, false, false};
  SecretBytes pin = {};
  // Seal to the PCRs as they will be; nothing: as they are.
  std::optional<ExpectedBoot> ahead = std::nullopt;
};

struct NewVolume {
  VolumeEntry entry;  // without uuid
  std::string label;
  bool destroy = false;
  std::uint32_t sector_size = 0;
  std::vector<NewTpmWayIn> ways_in;
};

struct EnrolledVolume {
  Volume volume;
  SecretBytes recovery_key;   // empty: none was made
  std::uint32_t keyslot = 0;  // that was added last
};

struct TestedVolume {
  Status status;  // OK: it opens
  std::uint32_t keyslot = 0;
  bool header_checked = false;           // by the record that we made of it
  std::vector<std::string> differences;  // in the PCRs since it was sealed, one line each
};

struct AcceptedHeader {
  Volume volume;
  Accepted accepted;
};

struct Refresh {
  Volume volume;
  std::vector<std::string> differences;
  std::vector<std::uint32_t> added;
  std::vector<std::uint32_t> removed;
};

// Errors that several calls have: NOT_FOUND (VOLUME_NOT_FOUND); FAILED_PRECONDITION (VOLUME_OPEN,
// OTHER_VOLUME: the device has another one than was enrolled); those of HeaderCopy::Take, Unlock
// and ChangeHeader. Calls about one volume come one after the other. Thread-safe.
class Volumes final : public Module {
 public:
  static constexpr std::size_t kMaxVolumes = 256;
  static constexpr std::size_t kMaxNewWaysIn = 8;

  struct Options {
    std::string state_dir;
    std::string boot_log;       // empty: the platform has none
    std::string mapper_socket;  // of seaworthy-mapper
    std::string root = "/";     // where proc and sys are looked for
  };

  Volumes(tpm::Broker& broker, Events& events, Options options);
  ~Volumes() override;

  Result<std::vector<Volume>> List(Deadline deadline) const;
  Result<Volume> Get(Deadline deadline, const std::string& name) const;

  // ALREADY_EXISTS (VOLUME_EXISTS, DEVICE_ENROLLED). A recovery key is always made.
  Result<EnrolledVolume> Format(Deadline deadline, const NewVolume& wanted);
  struct Enrolment {
    VolumeEntry entry;  // without uuid
    std::vector<NewTpmWayIn> ways_in;
    bool add_recovery_key = false;
    bool replace_clevis = false;
  };
  Result<EnrolledVolume> Enrol(Deadline deadline, const Enrolment& wanted,
                               const VolumeSecret& secret);
  Status Forget(Deadline deadline, const std::string& name);

  // Fails when it could not be tried.
  Result<TestedVolume> Test(Deadline deadline, const std::string& name, const VolumeSecret& secret);
  struct Opened {
    std::string mapping;
    bool was_open = false;
  };
  Result<Opened> Open(Deadline deadline, const std::string& name, const VolumeSecret& secret);
  // Whether it was open.
  Result<bool> Close(Deadline deadline, const std::string& name, bool deferred);

  Result<EnrolledVolume> AddTpm(Deadline deadline, const std::string& name,
                                const VolumeSecret& secret, const NewTpmWayIn& wanted);
  Result<EnrolledVolume> AddRecovery(Deadline deadline, const std::string& name,
                                     const VolumeSecret& secret);
  Result<Volume> Remove(Deadline deadline, const std::string& name, const VolumeSecret& secret,
                        std::uint32_t keyslot);
  // Called with the new recovery key before anything is changed by it; an error ends it.
  using Show = std::function<Status(const SecretBytes& recovery_key)>;
  Result<Volume> RekeyAll(Deadline deadline, const std::string& name, const VolumeSecret& secret,
                          const Show& show);
  // Begins, or goes on where it was interrupted; takes as long as it takes.
  Status Reencrypt(Deadline deadline, const std::string& name, const VolumeSecret& secret,
                   const Show& show, const ReencryptionProgress& progress);
  Result<Volume> Rotate(Deadline deadline, const std::string& name, const VolumeSecret& secret);
  struct RefreshOptions {
    bool keep_old = false;
    bool unexplained = false;
    SecretBytes pin;  // of ways in that have one
  };
  Result<Refresh> RefreshPolicy(Deadline deadline, const std::string& name,
                                const VolumeSecret& secret, const RefreshOptions& options);
  // Changes nothing.
  Result<std::vector<tpm::PcrValue>> Predict(Deadline deadline, const tpm::PcrSelection& pcrs,
                                             const ExpectedBoot& boot) const;
  // How many there are now.
  Result<std::size_t> InstallSignatures(Deadline deadline, const std::string& name,
                                        std::string_view json);

  // An image of the header in an envelope (envelope.h), after it was unlocked and checked.
  Result<std::string> BackUp(Deadline deadline, const std::string& name, const VolumeSecret& secret,
                             const std::string& certificates_pem);
  // By a recovery key or a passphrase; the PIN is for tokens of the TPM.
  Result<AcceptedHeader> Accept(Deadline deadline, const std::string& name,
                                const VolumeSecret& secret, const SecretBytes& pin);
  Result<AcceptedHeader> Restore(Deadline deadline, const std::string& name,
                                 const VolumeSecret& secret, ByteView image,
                                 bool over_other_volume);
  // `uuid` is that of the volume, so that no other is destroyed by mistake (OTHER_VOLUME).
  Status Erase(Deadline deadline, const std::string& name, const std::string& uuid);

  std::string_view name() const override { return "volumes"; }
  Status Start() override;
  void Stop() noexcept override;
  Health Check() const override;
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) override;

 private:
  class State;

  void OpenAtStart();

  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::volumes
