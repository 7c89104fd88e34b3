// volumes list, show, format, enrol, forget, test, open, close, units.
#include <filesystem>

#include "ctl/json.h"
#include "ctl/volume_options.h"
#include "ctl/volume_units.h"
#include "seaworthy/directory.h"

namespace seaworthy::ctl {
namespace {

using Volumes = v1::VolumeService::Stub;

constexpr mode_t kUnitMode = 0644;

struct ListOptions {
  bool names = false;
};

struct NameOptions {
  std::string name;
};

struct MappingFlags {
  bool read_only = false;
  bool allow_discards = false;
  bool no_read_workqueue = false;
  bool no_write_workqueue = false;
  bool open_at_start = false;
};

struct FormatOptions {
  std::string name;
  std::string device;
  std::string label;
  bool destroy = false;
  std::uint32_t sector_size = 0;
  bool yes = false;
  bool from_stdin = false;
  PolicyOptions policy;
  MappingFlags mapping;
  RecoveryOptions recovery;
};

struct EnrolOptions {
  std::string name;
  std::string device;
  OpeningOptions opening;
  PolicyOptions policy;
  bool add_recovery_key = false;
  bool replace_clevis = false;
  MappingFlags mapping;
  RecoveryOptions recovery;
};

struct OpenOptions {
  std::string name;
  OpeningOptions opening;
};

struct CloseOptions {
  std::string name;
  bool deferred = false;
};

struct UnitsOptions {
  std::string name;
  std::string mount;
  bool docker = false;
  std::string out;
};

Outcome RunList(Session& session, const ListOptions& options) {
  v1::ListVolumesResponse volumes;
  Outcome outcome = session.client().Call(&Volumes::ListVolumes, v1::ListVolumesRequest(), volumes,
                                          kVolumeTimeout);
  if (!outcome.ok()) return outcome;
  std::string names;
  for (const v1::Volume& volume : volumes.volumes()) names += Printable(volume.name()) + "\n";
  session.Answer(volumes, options.names ? names : RenderVolumes(volumes, session.style()));
  return {};
}

Outcome RunShow(Session& session, const NameOptions& options) {
  v1::GetVolumeRequest request;
  request.set_name(options.name);
  v1::Volume volume;
  Outcome outcome = session.client().Call(&Volumes::GetVolume, request, volume, kVolumeTimeout);
  if (outcome.ok()) session.Answer(volume, RenderVolume(volume, session.style()));
  return outcome;
}

v1::MappingOptions Mapping(const MappingFlags& flags) {
  v1::MappingOptions mapping;
  mapping.set_read_only(flags.read_only);
  mapping.set_allow_discards(flags.allow_discards);
  mapping.set_no_read_workqueue(flags.no_read_workqueue);
  mapping.set_no_write_workqueue(flags.no_write_workqueue);
  return mapping;
}

Outcome RunFormat(Session& session, const FormatOptions& options) {
  const std::string question =
      "Make a volume of " + Printable(options.device) + "? All that is on it is lost.";
  v1::FormatVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  request.set_device(options.device);
  request.set_label(options.label);
  request.set_destroy(options.destroy);
  request.set_sector_size(options.sector_size);
  request.set_open_at_start(options.mapping.open_at_start);
  *request.mutable_mapping_options() = Mapping(options.mapping);
  if (Outcome outcome = session.Confirm(options.yes, question); !outcome.ok()) return outcome;
  RecoveryOutput recovery(session, options.recovery);
  if (Outcome outcome = recovery.Prepare(*request.mutable_recovery_certificates_pem());
      !outcome.ok()) {
    return outcome;
  }
  if (Status status =
          FillWayIn(session, options.policy, options.from_stdin, *request.add_ways_in());
      !status.ok()) {
    return Usage(status);
  }
  return CallForRecoveryKey(session, &Volumes::FormatVolume, request, recovery);
}

Outcome RunEnrol(Session& session, const EnrolOptions& options) {
  v1::EnrolVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  request.set_device(options.device);
  request.set_add_recovery_key(options.add_recovery_key);
  request.set_replace_clevis(options.replace_clevis);
  request.set_open_at_start(options.mapping.open_at_start);
  *request.mutable_mapping_options() = Mapping(options.mapping);
  RecoveryOutput recovery(session, options.recovery);
  if (options.add_recovery_key) {
    if (Outcome outcome = recovery.Prepare(*request.mutable_recovery_certificates_pem());
        !outcome.ok()) {
      return outcome;
    }
  }
  Status status = FillSecret(session, options.opening, *request.mutable_secret());
  // Clevis' policy is the default for what takes its place.
  if (status.ok() && (options.policy.given() || !options.replace_clevis)) {
    status = FillWayIn(session, options.policy, options.opening.from_stdin, *request.add_ways_in());
  }
  if (!status.ok()) return Usage(status);
  return CallForRecoveryKey(session, &Volumes::EnrolVolume, request, recovery);
}

Outcome RunForget(Session& session, const NameOptions& options) {
  v1::ForgetVolumeRequest request;
  request.set_name(options.name);
  v1::ForgetVolumeResponse response;
  Outcome outcome =
      session.client().Call(&Volumes::ForgetVolume, request, response, kVolumeTimeout);
  if (outcome.ok()) {
    session.Answer(response, "forgot " + Printable(options.name) + "; its device is as it was\n");
  }
  return outcome;
}

Outcome RunTest(Session& session, const OpenOptions& options) {
  v1::TestVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  if (Status status = FillSecret(session, options.opening, *request.mutable_secret());
      !status.ok()) {
    return Usage(status);
  }
  v1::VolumeTest test;
  Outcome outcome = session.client().Call(&Volumes::TestVolume, request, test, kVolumeTimeout);
  if (!outcome.ok()) return outcome;
  session.Answer(test, RenderVolumeTest(test, session.style()));
  return {test.opens() ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

Outcome RunOpen(Session& session, const OpenOptions& options) {
  v1::OpenVolumeRequest request;
  const CleansedAtEnd cleansed(request);
  request.set_name(options.name);
  if (Status status = FillSecret(session, options.opening, *request.mutable_secret());
      !status.ok()) {
    return Usage(status);
  }
  v1::OpenVolumeResponse response;
  Outcome outcome = session.client().Call(&Volumes::OpenVolume, request, response, kVolumeTimeout);
  if (outcome.ok()) {
    session.Answer(response, (response.was_open() ? "was open: " : "opened: ") +
                                 Printable(response.mapping()) + "\n");
  }
  return outcome;
}

Outcome RunClose(Session& session, const CloseOptions& options) {
  v1::CloseVolumeRequest request;
  request.set_name(options.name);
  request.set_deferred(options.deferred);
  v1::CloseVolumeResponse response;
  Outcome outcome = session.client().Call(&Volumes::CloseVolume, request, response, kVolumeTimeout);
  if (outcome.ok()) {
    const std::string done = options.deferred ? "is closed when nobody uses it" : "closed";
    session.Answer(response, (response.was_open() ? done : "was not open") + "\n");
  }
  return outcome;
}

Outcome RunUnits(Session& session, const UnitsOptions& options) {
  const Result<std::vector<UnitFile>> units =
      VolumeUnits(options.name, options.mount, options.docker);
  if (!units.ok()) return Usage(units.status());
  std::string text;
  for (const UnitFile& unit : *units) {
    if (options.out.empty()) {
      text += (text.empty() ? "# /etc/systemd/system/" : "\n# /etc/systemd/system/") + unit.path +
              "\n" + unit.content;
      continue;
    }
    const std::filesystem::path path = std::filesystem::path(options.out) / unit.path;
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) return Usage(FromErrno(error.value(), "create " + path.parent_path().string()));
    if (Status status = ReplaceFile(path, AsBytes(unit.content), kUnitMode); !status.ok()) {
      return Usage(status);
    }
    text += "wrote " + Printable(path.string()) + "\n";
  }
  session.terminal().out << (session.json() ? UnitsJson(*units) + "\n" : text);
  return {};
}

void AddDevice(CLI::App* command, std::string& device) {
  command->add_option("DEVICE", device, "A block device or file of the node, from / on")
      ->required()
      ->type_name("");
}

void AddMapping(CLI::App* command, MappingFlags& flags) {
  command->add_flag("--open-at-start", flags.open_at_start, "The daemon opens it when it starts");
  command->add_flag("--allow-discards", flags.allow_discards,
                    "Tell the disk which blocks are free; who sees the disk sees them, too");
  command->add_flag("--read-only", flags.read_only, "Map it so that it cannot be written to");
  command->add_flag("--no-read-workqueue", flags.no_read_workqueue,
                    "Decrypt in the reader's thread: faster on fast disks");
  command->add_flag("--no-write-workqueue", flags.no_write_workqueue,
                    "Encrypt in the writer's thread: faster on fast disks");
}

void AddMakeCommands(CLI::App& volumes, CommandLine& line) {
  auto format = std::make_shared<FormatOptions>();
  CLI::App* command = AddCommand(
      volumes, line, "format",
      "Makes a LUKS2 volume that the TPM opens, and a recovery key, which is shown this once",
      "  seaworthyctl volumes format docker /dev/sdb\n"
      "  seaworthyctl volumes format docker /dev/sdb --pcrs sha256:7,14 --pin --open-at-start",
      format, RunFormat);
  AddVolumeName(command, format->name);
  AddDevice(command, format->device);
  command->add_option("--label", format->label, "Label of the volume")->type_name("TEXT");
  command->add_flag("--destroy", format->destroy, "Although there is something on the device");
  command->add_option("--sector-size", format->sector_size, "512 to 4096 (default: the device's)")
      ->type_name("BYTES");
  AddPolicy(command, format->policy);
  AddStdin(command, format->from_stdin);
  AddMapping(command, format->mapping);
  AddRecovery(command, format->recovery);
  AddYes(command, format->yes);

  auto enrol = std::make_shared<EnrolOptions>();
  command = AddCommand(
      volumes, line, "enrol",
      "Takes in a LUKS2 volume that is there: what opens it now gives it a way in by the TPM",
      "  seaworthyctl volumes enrol docker /dev/sdb --passphrase --add-recovery-key\n"
      "  seaworthyctl volumes enrol docker /dev/sdb --passphrase --secret-file /root/key",
      enrol, RunEnrol);
  AddVolumeName(command, enrol->name);
  AddDevice(command, enrol->device);
  AddOpening(command, enrol->opening, "--current-pin");
  AddPolicy(command, enrol->policy);
  command->add_flag("--add-recovery-key", enrol->add_recovery_key, "Add a recovery key, too");
  command->add_flag("--replace-clevis", enrol->replace_clevis,
                    "Take Clevis' ways in away when ours is in, for the same PCRs by default");
  AddMapping(command, enrol->mapping);
  AddRecovery(command, enrol->recovery);
}

void AddUseCommands(CLI::App& volumes, CommandLine& line) {
  auto test = std::make_shared<OpenOptions>();
  CLI::App* command =
      AddCommand(volumes, line, "test",
                 "Whether it opens now, and if not, why: exit code 0 or 1. Nothing is opened",
                 "  seaworthyctl volumes test docker\n"
                 "  seaworthyctl volumes test docker --recovery-key",
                 test, RunTest);
  AddVolumeName(command, test->name);
  AddOpening(command, test->opening, "--pin");

  auto open = std::make_shared<OpenOptions>();
  command = AddCommand(volumes, line, "open", "Opens it: /dev/mapper/NAME",
                       "  seaworthyctl volumes open docker", open, RunOpen);
  AddVolumeName(command, open->name);
  AddOpening(command, open->opening, "--pin");

  auto close = std::make_shared<CloseOptions>();
  command = AddCommand(volumes, line, "close", "Closes it; the kernel forgets the key",
                       "  seaworthyctl volumes close docker", close, RunClose);
  AddVolumeName(command, close->name);
  command->add_flag("--deferred", close->deferred, "When it is in use: as soon as it no longer is");

  auto forget = std::make_shared<NameOptions>();
  command = AddCommand(volumes, line, "forget", "Forgets it; the device stays as it is",
                       "  seaworthyctl volumes forget docker", forget, RunForget);
  AddVolumeName(command, forget->name);
}

}  // namespace

void AddVolumeCommands(CLI::App& app, CommandLine& line) {
  CLI::App& volumes =
      *app.add_subcommand("volumes", "Encrypted volumes that the TPM opens in a known state");
  volumes.require_subcommand(1);

  auto list = std::make_shared<ListOptions>();
  AddCommand(volumes, line, "list", "Lists the volumes",
             "  seaworthyctl volumes list\n  seaworthyctl volumes list --names", list, RunList)
      ->add_flag("--names", list->names, "Names only, one a line");
  auto show = std::make_shared<NameOptions>();
  AddVolumeName(AddCommand(volumes, line, "show",
                           "Shows one: its state, its ways in and which of them fit now",
                           "  seaworthyctl volumes show docker", show, RunShow),
                show->name);
  AddMakeCommands(volumes, line);
  AddUseCommands(volumes, line);
  AddVolumeWayCommands(volumes, line);
  AddVolumeHeaderCommands(volumes, line);

  auto units = std::make_shared<UnitsOptions>();
  CLI::App* command =
      AddCommand(volumes, line, "units",
                 "Makes systemd units that open a volume and mount it. Needs no daemon",
                 "  seaworthyctl volumes units docker --mount /var/lib/docker --docker\n"
                 "  seaworthyctl volumes units docker --mount /var/lib/docker --docker \\\n"
                 "      --out /etc/systemd/system",
                 units, RunUnits);
  AddVolumeName(command, units->name);
  command->add_option("--mount", units->mount, "Where it is mounted")->required()->type_name("DIR");
  command->add_flag("--docker", units->docker, "Docker is not started without it");
  command->add_option("--out", units->out, "Write them below this folder")->type_name("DIR");
}

}  // namespace seaworthy::ctl
