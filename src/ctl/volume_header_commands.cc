// volumes backup-header, accept-header, restore-header, reencrypt, erase.
#include <algorithm>

#include "ctl/integrity_files.h"
#include "ctl/progress.h"
#include "ctl/volume_options.h"
#include "seaworthy/directory.h"

namespace seaworthy::ctl {
namespace {

using Volumes = v1::VolumeService::Stub;

// LUKS2's largest header and keyslots, and the same in PEM.
constexpr std::size_t kMaxImage = std::size_t{256} << 20;
constexpr std::size_t kPart = std::size_t{256} << 10;
constexpr mode_t kBackupMode = 0600;

struct BackupOptions {
  std::string name;
  OpeningOptions opening;
  std::vector<std::string> certificates;
  std::string out;
};

struct AcceptOptions {
  std::string name;
  OpeningOptions opening;
  PinOptions pin;
};

struct RestoreOptions {
  std::string name;
  OpeningOptions opening;
  std::string image;
  bool over_other_volume = false;
};

struct ReencryptOptions {
  std::string name;
  OpeningOptions opening;
  RecoveryOptions recovery;
};

struct EraseOptions {
  std::string name;
  std::string uuid;
  bool yes = false;
};

Outcome RunBackup(Session& session, const BackupOptions& options) {
  v1::BackUpHeaderRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  for (const std::string& path : options.certificates) {
    const Result<std::string> pem = ReadPem(path);
    if (!pem.ok()) return Usage(pem.status());
    *request.mutable_certificates_pem() += *pem + "\n";
  }
  if (Status status = FillSecret(session, options.opening, *request.mutable_secret());
      !status.ok()) {
    return Usage(status);
  }
  v1::HeaderBackupPart whole;
  const std::function<Status(const v1::HeaderBackupPart&)> add =
      [&whole](const v1::HeaderBackupPart& part) -> Status {
    if (whole.cms_pem().size() + part.cms_pem().size() > kMaxImage) {
      return Fail(Code::kResourceExhausted, "BACKUP_TOO_LARGE", "the backup has no end");
    }
    *whole.mutable_cms_pem() += part.cms_pem();
    return {};
  };
  if (Outcome outcome =
          session.client().Stream(&Volumes::BackUpHeader, request, add, kVolumeTimeout);
      !outcome.ok()) {
    return outcome;
  }
  if (Status status = ReplaceFile(options.out, AsBytes(whole.cms_pem()), kBackupMode);
      !status.ok()) {
    return Usage(Wrap(status, "cannot write the backup"));
  }
  session.Answer(whole, "wrote the header, encrypted, to " + Printable(options.out) + "\n");
  return {};
}

Outcome RunAccept(Session& session, const AcceptOptions& options) {
  v1::AcceptHeaderRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  Status status = FillSecret(session, options.opening, *request.mutable_secret());
  if (status.ok()) {
    status =
        FillPin(session, options.pin, options.opening.from_stdin, false, *request.mutable_pin());
  }
  if (!status.ok()) return Usage(status);
  v1::AcceptedHeader accepted;
  Outcome outcome =
      session.client().Call(&Volumes::AcceptHeader, request, accepted, kVolumeTimeout);
  if (outcome.ok()) session.Answer(accepted, RenderAcceptedHeader(accepted, session.style()));
  return outcome;
}

Outcome RunRestore(Session& session, const RestoreOptions& options) {
  const Result<Bytes> image = ReadFile(options.image, kMaxImage);
  if (!image.ok()) return Usage(image.status());
  v1::RestoreHeaderRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  request.set_over_other_volume(options.over_other_volume);
  if (Status status = FillSecret(session, options.opening, *request.mutable_secret());
      !status.ok()) {
    return Usage(status);
  }
  ByteView rest = *image;
  const auto next_part = [&rest](v1::RestoreHeaderRequest& next) {
    CleansedAtEnd::Cleanse(next);
    next.Clear();
    if (rest.empty()) return false;
    const std::size_t size = std::min(rest.size(), kPart);
    next.set_part(rest.data(), size);
    rest = rest.subspan(size);
    return true;
  };
  v1::AcceptedHeader accepted;
  Outcome outcome =
      session.client().Send(&Volumes::RestoreHeader, request, next_part, accepted, kVolumeTimeout);
  if (outcome.ok()) session.Answer(accepted, RenderAcceptedHeader(accepted, session.style()));
  return outcome;
}

Outcome RunReencrypt(Session& session, const ReencryptOptions& options) {
  v1::ReencryptVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  RecoveryOutput recovery(session, options.recovery);
  if (Outcome outcome = PrepareForRecoveryKey(session, recovery, options.opening,
                                              *request.mutable_recovery_certificates_pem(),
                                              *request.mutable_secret());
      !outcome.ok()) {
    return outcome;
  }
  ProgressLine line(session.terminal());
  std::uint64_t done = 0;
  std::uint64_t all = 0;
  Outcome told;
  Outcome outcome = session.client().Watch(
      &Volumes::ReencryptVolume, request, [&](v1::ReencryptionProgress& progress) {
        const CleansedAtEnd cleansed_progress(progress);
        done = progress.done_bytes();
        all = progress.bytes();
        told = recovery.Deliver(*progress.mutable_recovery_key(),
                                *progress.mutable_recovery_key_cms_pem());
        line.ShowShare(done, all);
        return told.ok() && (!session.json() || session.AnswerPart(progress, ""));
      });
  line.Clear();
  if (!told.ok()) return told;
  if (!outcome.ok()) return outcome;
  if (done != all) {
    return {
        ExitCode::kNo,
        Fail(Code::kCancelled, "REENCRYPTION_PAUSED", "paused; the same command goes on with it"),
        ""};
  }
  if (!session.json()) {
    session.terminal().out << "all " << all << " bytes are encrypted with a new key\n";
  }
  return {};
}

Outcome RunErase(Session& session, const EraseOptions& options) {
  if (Outcome outcome = session.Confirm(
          options.yes, "Destroy all keys of the volume \"" + Printable(options.name) +
                           "\"? Nothing but a backup of its header can bring its data back.");
      !outcome.ok()) {
    return outcome;
  }
  v1::EraseVolumeRequest request;
  request.set_name(options.name);
  request.set_uuid(options.uuid);
  v1::EraseVolumeResponse response;
  Outcome outcome = session.client().Call(&Volumes::EraseVolume, request, response, kVolumeTimeout);
  if (outcome.ok()) session.Answer(response, "erased " + Printable(options.name) + "\n");
  return outcome;
}

void AddBackupCommands(CLI::App& volumes, CommandLine& line) {
  auto backup = std::make_shared<BackupOptions>();
  CLI::App* command = AddCommand(
      volumes, line, "backup-header", "Backs header and keyslots up, encrypted to certificates",
      "  seaworthyctl volumes backup-header docker --certificate it.pem --out docker.cms\n"
      "  openssl cms -decrypt -inform PEM -in docker.cms -inkey it.key -out docker.header",
      backup, RunBackup);
  AddVolumeName(command, backup->name);
  command->add_option("--certificate", backup->certificates, "Of who may decrypt it, PEM")
      ->required()
      ->type_name("FILE")
      ->allow_extra_args(false);
  command->add_option("--out,-o", backup->out, "Write it to this file")
      ->required()
      ->type_name("FILE");
  AddOpening(command, backup->opening, "--pin");

  auto accept = std::make_shared<AcceptOptions>();
  command = AddCommand(
      volumes, line, "accept-header", "Takes the header as it is, after a change by other programs",
      "  seaworthyctl volumes accept-header docker --recovery-key", accept, RunAccept);
  AddVolumeName(command, accept->name);
  AddOpening(command, accept->opening, "");
  AddPin(command, accept->pin, "The PIN of ways in that have one");

  auto restore = std::make_shared<RestoreOptions>();
  command = AddCommand(
      volumes, line, "restore-header", "Puts a decrypted backup of the header back, and takes it",
      "  seaworthyctl volumes restore-header docker --image docker.header --recovery-key", restore,
      RunRestore);
  AddVolumeName(command, restore->name);
  command->add_option("--image", restore->image, "The decrypted backup")
      ->required()
      ->type_name("FILE");
  command->add_flag("--over-other-volume", restore->over_other_volume,
                    "Although the header on the device is another volume's");
  AddOpening(command, restore->opening, "");
}

}  // namespace

void AddVolumeHeaderCommands(CLI::App& volumes, CommandLine& line) {
  AddBackupCommands(volumes, line);

  auto reencrypt = std::make_shared<ReencryptOptions>();
  CLI::App* command = AddCommand(
      volumes, line, "reencrypt",
      "Encrypts all data with a new key, or goes on with it; it has a new recovery key then",
      "  seaworthyctl volumes reencrypt docker", reencrypt, RunReencrypt);
  AddVolumeName(command, reencrypt->name);
  AddOpening(command, reencrypt->opening, "--pin");
  AddRecovery(command, reencrypt->recovery);

  auto erase = std::make_shared<EraseOptions>();
  command =
      AddCommand(volumes, line, "erase", "Destroys header and keyslots: the data is gone, for good",
                 "  seaworthyctl volumes erase docker --uuid "
                 "6f0a3c1e-2b4d-4e8f-9a7b-1c2d3e4f5a6b",
                 erase, RunErase);
  AddVolumeName(command, erase->name);
  command->add_option("--uuid", erase->uuid, "The volume's, as volumes show has it")
      ->required()
      ->type_name("UUID");
  AddYes(command, erase->yes);
}

}  // namespace seaworthy::ctl
