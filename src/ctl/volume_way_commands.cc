// volumes add, add-recovery, remove, rotate, rekey, refresh, predict, signatures.
#include "ctl/arguments.h"
#include "ctl/volume_options.h"
#include "seaworthy/directory.h"

namespace seaworthy::ctl {
namespace {

using Volumes = v1::VolumeService::Stub;

constexpr std::size_t kMaxSignatures = std::size_t{1} << 20;

struct AddOptions {
  std::string name;
  OpeningOptions opening;
  PolicyOptions policy;
  AheadOptions ahead;
};

// Of add-recovery and rekey.
struct NewRecoveryOptions {
  std::string name;
  OpeningOptions opening;
  RecoveryOptions recovery;
};

struct RemoveOptions {
  std::string name;
  std::uint32_t keyslot = 0;
  OpeningOptions opening;
};

struct RotateOptions {
  std::string name;
  OpeningOptions opening;
};

struct RefreshOptions {
  std::string name;
  OpeningOptions opening;
  PinOptions pin;
  bool keep_old = false;
  bool unexplained = false;
};

struct PredictOptions {
  std::string pcrs = "sha256:7";
  AheadOptions ahead;
};

struct SignaturesOptions {
  std::string name;
  std::string file;
};

Outcome RunAdd(Session& session, const AddOptions& options) {
  v1::AddWayInRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  v1::BootUpdate ahead;
  Status status = FillAhead(options.ahead, ahead);
  if (status.ok()) status = FillSecret(session, options.opening, *request.mutable_secret());
  if (status.ok()) {
    status = FillWayIn(session, options.policy, options.opening.from_stdin, *request.mutable_tpm());
  }
  if (!status.ok()) return Usage(status);
  if (ahead.ByteSizeLong() > 0) *request.mutable_tpm()->mutable_ahead() = ahead;
  v1::AddWayInResponse response;
  Outcome outcome = session.client().Call(&Volumes::AddWayIn, request, response, kVolumeTimeout);
  if (outcome.ok())
    session.Answer(response, "added keyslot " + std::to_string(response.keyslot()) + "\n" +
                                 RenderVolume(response.volume(), session.style()));
  return outcome;
}

Outcome RunAddRecovery(Session& session, const NewRecoveryOptions& options) {
  v1::AddWayInRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  RecoveryOutput recovery(session, options.recovery);
  if (Outcome outcome = PrepareForRecoveryKey(
          session, recovery, options.opening,
          *request.mutable_recovery_key()->mutable_certificates_pem(), *request.mutable_secret());
      !outcome.ok()) {
    return outcome;
  }
  return CallForRecoveryKey(session, &Volumes::AddWayIn, request, recovery);
}

Outcome RunRemove(Session& session, const RemoveOptions& options) {
  v1::RemoveWayInRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  request.set_keyslot(options.keyslot);
  return CallForVolume(session, &Volumes::RemoveWayIn, options.opening, request);
}

Outcome RunRotate(Session& session, const RotateOptions& options) {
  v1::RotateVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  return CallForVolume(session, &Volumes::RotateVolume, options.opening, request);
}

Outcome RunRekey(Session& session, const NewRecoveryOptions& options) {
  v1::RekeyVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  RecoveryOutput recovery(session, options.recovery);
  if (Outcome outcome = PrepareForRecoveryKey(session, recovery, options.opening,
                                              *request.mutable_recovery_certificates_pem(),
                                              *request.mutable_secret());
      !outcome.ok()) {
    return outcome;
  }
  return CallForRecoveryKey(session, &Volumes::RekeyVolume, request, recovery);
}

Outcome RunRefresh(Session& session, const RefreshOptions& options) {
  v1::RefreshVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  request.set_keep_old(options.keep_old);
  request.set_unexplained(options.unexplained);
  Status status = FillSecret(session, options.opening, *request.mutable_secret());
  if (status.ok()) {
    status =
        FillPin(session, options.pin, options.opening.from_stdin, false, *request.mutable_pin());
  }
  if (!status.ok()) return Usage(status);
  // Without another secret the PIN opens it as well.
  if (request.secret().secret_case() == v1::VolumeSecret::SECRET_NOT_SET &&
      !request.pin().empty()) {
    request.mutable_secret()->set_pin(request.pin());
  }
  v1::RefreshVolumeResponse response;
  Outcome outcome =
      session.client().Call(&Volumes::RefreshVolume, request, response, kVolumeTimeout);
  if (outcome.ok()) session.Answer(response, RenderRefresh(response, session.style()));
  return outcome;
}

Outcome RunPredict(Session& session, const PredictOptions& options) {
  const Result<std::vector<v1::PcrSelection>> pcrs = ParsePcrSelections(options.pcrs);
  if (!pcrs.ok()) return Usage(pcrs.status());
  if (pcrs->size() != 1) return Usage("--pcrs: one bank is predicted at a time");
  v1::PredictUpdateRequest request;
  *request.mutable_pcrs() = pcrs->front();
  if (Status status = FillAhead(options.ahead, *request.mutable_update()); !status.ok()) {
    return Usage(status);
  }
  v1::PredictUpdateResponse response;
  Outcome outcome =
      session.client().Call(&Volumes::PredictUpdate, request, response, kVolumeTimeout);
  if (outcome.ok()) session.Answer(response, RenderPrediction(response));
  return outcome;
}

Outcome RunSignatures(Session& session, const SignaturesOptions& options) {
  const Result<Bytes> file = ReadFile(options.file, kMaxSignatures);
  if (!file.ok()) return Usage(file.status());
  v1::InstallPolicySignaturesRequest request;
  request.set_name(options.name);
  request.set_json(std::string(AsText(*file)));
  v1::InstallPolicySignaturesResponse response;
  Outcome outcome = session.client().Call(&Volumes::InstallPolicySignatures, request, response);
  if (outcome.ok()) {
    session.Answer(response, "the volume has " + std::to_string(response.signatures()) +
                                 (response.signatures() == 1 ? " signature\n" : " signatures\n"));
  }
  return outcome;
}

void AddAddCommands(CLI::App& volumes, CommandLine& line) {
  auto add = std::make_shared<AddOptions>();
  CLI::App* command = AddCommand(
      volumes, line, "add", "Adds a way in by the TPM; also for the state after an update",
      "  seaworthyctl volumes add docker --pcrs sha256:7,14\n"
      "  seaworthyctl volumes add docker --pcrs sha256:4 \\\n"
      "      --ahead-file "
      "'\\EFI\\debian\\grubx64.efi=/boot/efi/EFI/debian/grubx64.efi:/boot/new.efi'",
      add, RunAdd);
  AddVolumeName(command, add->name);
  AddOpening(command, add->opening, "--current-pin");
  AddPolicy(command, add->policy);
  AddAhead(command, add->ahead);

  auto recovery = std::make_shared<NewRecoveryOptions>();
  command =
      AddCommand(volumes, line, "add-recovery", "Adds a recovery key, which is shown this once",
                 "  seaworthyctl volumes add-recovery docker\n"
                 "  seaworthyctl volumes add-recovery docker --recovery-certificate it.pem",
                 recovery, RunAddRecovery);
  AddVolumeName(command, recovery->name);
  AddOpening(command, recovery->opening, "--pin");
  AddRecovery(command, recovery->recovery);

  auto remove = std::make_shared<RemoveOptions>();
  command = AddCommand(volumes, line, "remove", "Takes a way in away, for good; not the last one",
                       "  seaworthyctl volumes remove docker 2", remove, RunRemove);
  AddVolumeName(command, remove->name);
  command->add_option("KEYSLOT", remove->keyslot, "Its number, as volumes show has it")
      ->required()
      ->type_name("");
  AddOpening(command, remove->opening, "--pin");
}

}  // namespace

void AddVolumeWayCommands(CLI::App& volumes, CommandLine& line) {
  AddAddCommands(volumes, line);

  auto rotate = std::make_shared<RotateOptions>();
  CLI::App* command =
      AddCommand(volumes, line, "rotate", "Gives the ways in by the TPM new secrets",
                 "  seaworthyctl volumes rotate docker", rotate, RunRotate);
  AddVolumeName(command, rotate->name);
  AddOpening(command, rotate->opening, "--pin");

  auto rekey = std::make_shared<NewRecoveryOptions>();
  command = AddCommand(volumes, line, "rekey",
                       "Puts everybody else out: new secrets, a new recovery key, and nothing else",
                       "  seaworthyctl volumes rekey docker", rekey, RunRekey);
  AddVolumeName(command, rekey->name);
  AddOpening(command, rekey->opening, "--pin");
  AddRecovery(command, rekey->recovery);

  auto refresh = std::make_shared<RefreshOptions>();
  command =
      AddCommand(volumes, line, "refresh",
                 "Seals it to the PCRs as they are now, when the boot log says why they differ",
                 "  seaworthyctl volumes refresh docker --recovery-key", refresh, RunRefresh);
  AddVolumeName(command, refresh->name);
  AddOpening(command, refresh->opening, "");
  AddPin(command, refresh->pin, "The PIN of ways in that have one");
  command->add_flag("--keep-old", refresh->keep_old, "Keep the ways in for other states");
  command->add_flag("--unexplained", refresh->unexplained,
                    "Although the boot log does not explain what differs");

  auto predict = std::make_shared<PredictOptions>();
  command = AddCommand(
      volumes, line, "predict", "What the PCRs will be after an update of boot files",
      "  seaworthyctl volumes predict --pcrs sha256:7 --ahead-variable dbx=/boot/dbx.bin", predict,
      RunPredict);
  command->add_option("--pcrs", predict->pcrs, "These PCRs")
      ->type_name("BANK:PCRS")
      ->capture_default_str();
  AddAhead(command, predict->ahead);

  auto signatures = std::make_shared<SignaturesOptions>();
  command = AddCommand(volumes, line, "signatures",
                       "Adds signatures over PCR values, as systemd-measure sign makes them",
                       "  seaworthyctl volumes signatures docker tpm2-pcr-signature.json",
                       signatures, RunSignatures);
  AddVolumeName(command, signatures->name);
  command->add_option("FILE", signatures->file, "JSON, as systemd has it")
      ->required()
      ->type_name("");
}

}  // namespace seaworthy::ctl
