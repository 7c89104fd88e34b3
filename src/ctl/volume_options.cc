#include "ctl/volume_options.h"

#include "ctl/arguments.h"
#include "ctl/integrity_files.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

constexpr char kDefaultPcrs[] = "sha256:7";

Status Wrong(const std::string& what) { return Fail(Code::kInvalidArgument, "USAGE", what); }

// A secret that an option asked for without saying where it is.
Result<SecretBytes> Obtain(Session& session, const std::string& what, bool from_stdin, bool twice,
                           const std::string& file_option) {
  if (from_stdin) return ReadSecretLine(session.terminal(), what);
  if (session.terminal().interactive) return AskSecret(session.terminal(), what, twice);
  return Wrong(what + ": there is no terminal to ask on; give --stdin or " + file_option + " FILE");
}

void Assign(const SecretBytes& secret, std::string& field) { field.assign(AsText(secret.view())); }

Result<v1::PcrSelection> OneBank(const std::string& option, const std::string& text) {
  ASSIGN_OR_RETURN(const std::vector<v1::PcrSelection> pcrs, ParsePcrSelections(text));
  if (pcrs.size() != 1) return Wrong(option + ": a volume is sealed to PCRs of one bank");
  return pcrs.front();
}

Status CheckPath(const std::string& option, const std::string& path) {
  if (path.starts_with('/')) return {};
  return Wrong(option + ": the daemon reads \"" + path + "\"; want a path from / on");
}

// "PATH_IN_LOG=BEFORE:AFTER".
Result<v1::BootFile> ParseBootFile(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t colon = text.find(':', equals == std::string::npos ? 0 : equals);
  if (equals == 0 || equals == std::string::npos || colon == std::string::npos) {
    return Wrong("--ahead-file: \"" + text + "\": want PATH_IN_LOG=BEFORE:AFTER");
  }
  v1::BootFile file;
  file.set_path(text.substr(0, equals));
  file.set_before(text.substr(equals + 1, colon - equals - 1));
  file.set_after(text.substr(colon + 1));
  if (!file.before().empty()) RETURN_IF_ERROR(CheckPath("--ahead-file", file.before()));
  RETURN_IF_ERROR(CheckPath("--ahead-file", file.after()));
  return file;
}

Result<v1::EfiVariable> ParseVariable(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    return Wrong("--ahead-variable: \"" + text + "\": want NAME=FILE");
  }
  v1::EfiVariable variable;
  variable.set_name(text.substr(0, equals));
  variable.set_file(text.substr(equals + 1));
  RETURN_IF_ERROR(CheckPath("--ahead-variable", variable.file()));
  return variable;
}

}  // namespace

void AddVolumeName(CLI::App* command, std::string& name) {
  command->add_option("NAME", name, "The volume's name")->required()->type_name("");
}

void AddStdin(CLI::App* command, bool& from_stdin) {
  command->add_flag("--stdin", from_stdin,
                    "Read secrets from standard input, a line each: what opens the volume first");
}

void AddYes(CLI::App* command, bool& yes) { command->add_flag("--yes,-y", yes, "Do not ask"); }

void AddOpening(CLI::App* command, OpeningOptions& options, const std::string& pin) {
  CLI::Option* recovery_key = command->add_flag("--recovery-key", options.recovery_key,
                                                "Open it by its recovery key, which is asked for");
  CLI::Option* passphrase = command->add_flag("--passphrase", options.passphrase,
                                              "Open it by a passphrase, which is asked for");
  recovery_key->excludes(passphrase);
  if (!pin.empty()) {
    command->add_flag(pin, options.pin, "Open it by the TPM and this PIN, which is asked for")
        ->excludes(recovery_key)
        ->excludes(passphrase);
  }
  command
      ->add_option("--secret-file", options.file,
                   "What opens it is in this file: of a passphrase all bytes, else a line")
      ->type_name("FILE");
  AddStdin(command, options.from_stdin);
  command->add_flag("--unguarded", options.unguarded,
                    "Take a header that has no record, or whose record cannot be checked");
}

void AddPin(CLI::App* command, PinOptions& options, const std::string& what) {
  CLI::Option* ask = command->add_flag("--pin", options.ask, what + ", which is asked for");
  command->add_option("--pin-file", options.file, what + ", in this file")
      ->type_name("FILE")
      ->excludes(ask);
}

void AddPolicy(CLI::App* command, PolicyOptions& options) {
  command
      ->add_option("--pcrs", options.pcrs,
                   "Seal to these PCRs as they are (default sha256:7, without --signed-pcrs)")
      ->type_name("BANK:PCRS");
  CLI::Option* signed_pcrs =
      command->add_option("--signed-pcrs", options.signed_pcrs,
                          "Seal to values of these PCRs that the holder of a key signs for");
  CLI::Option* key = command->add_option("--policy-key", options.policy_key,
                                         "The public key of who signs, RSA, PEM");
  signed_pcrs->type_name("BANK:PCRS")->needs(key);
  key->type_name("FILE")->needs(signed_pcrs);
  AddPin(command, options.pin, "The TPM asks for this PIN, too");
  command->add_flag("--legacy-parent", options.legacy_parent,
                    "Seal it so that systemd before 254 opens it, as in Debian 12");
}

void AddAhead(CLI::App* command, AheadOptions& options) {
  command
      ->add_option(
          "--ahead-file", options.files,
          "A boot file as it will be: how its path ends in the boot log, the file that was "
          "booted (may be empty), and the new one; may be repeated")
      ->type_name("PATH_IN_LOG=BEFORE:AFTER")
      ->allow_extra_args(false);
  command
      ->add_option("--ahead-command-line", options.command_line,
                   "The kernel's command line as it was booted and as it will be")
      ->type_name("BEFORE AFTER")
      ->expected(2);
  command
      ->add_option("--ahead-variable", options.variables,
                   "A variable of Secure Boot (PK, KEK, db, dbx, SecureBoot) as it will be: its "
                   "value is in the file; may be repeated")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--ahead-phase", options.phases,
                   "A phase of the boot that PCR 11 will have: enter-initrd; may be repeated")
      ->type_name("PHASE")
      ->allow_extra_args(false);
}

void AddRecovery(CLI::App* command, RecoveryOptions& options) {
  command
      ->add_option("--recovery-certificate", options.certificates,
                   "Encrypt the new recovery key to this certificate, PEM; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--recovery-file", options.file,
                   "Write the new recovery key to this file, which must not be there yet")
      ->type_name("FILE");
}

Status FillSecret(Session& session, const OpeningOptions& options, v1::VolumeSecret& secret) {
  secret.set_unguarded(options.unguarded);
  if (!options.recovery_key && !options.passphrase && !options.pin) {
    if (options.file.empty()) return {};
    return Wrong("--secret-file: say what it has, for example --recovery-key");
  }
  std::string& field = options.recovery_key ? *secret.mutable_recovery_key()
                       : options.passphrase ? *secret.mutable_passphrase()
                                            : *secret.mutable_pin();
  const std::string what = options.recovery_key ? "Recovery key"
                           : options.passphrase ? "Passphrase"
                                                : "PIN";
  Result<SecretBytes> read = options.file.empty()
                                 ? Obtain(session, what, options.from_stdin, false, "--secret-file")
                                 : ReadSecretFile(options.file, !options.passphrase);
  if (!read.ok()) return read.status();
  Assign(*read, field);
  return {};
}

Status FillPin(Session& session, const PinOptions& options, bool from_stdin, bool twice,
               std::string& pin) {
  if (!options.wanted()) return {};
  Result<SecretBytes> read = options.file.empty() ? Obtain(session, twice ? "New PIN" : "PIN",
                                                           from_stdin, twice, "--pin-file")
                                                  : ReadSecretFile(options.file, true);
  if (!read.ok()) return read.status();
  Assign(*read, pin);
  return {};
}

Status FillWayIn(Session& session, const PolicyOptions& options, bool from_stdin,
                 v1::NewTpmWayIn& way) {
  v1::TpmPolicy& policy = *way.mutable_policy();
  const std::string pcrs =
      options.pcrs.empty() && options.signed_pcrs.empty() ? kDefaultPcrs : options.pcrs;
  if (!pcrs.empty()) {
    ASSIGN_OR_RETURN(*policy.mutable_pcrs(), OneBank("--pcrs", pcrs));
  }
  if (!options.signed_pcrs.empty()) {
    v1::SignedPcrs& signed_pcrs = *policy.mutable_signed_pcrs();
    ASSIGN_OR_RETURN(*signed_pcrs.mutable_pcrs(), OneBank("--signed-pcrs", options.signed_pcrs));
    ASSIGN_OR_RETURN(*signed_pcrs.mutable_public_key_pem(), ReadPem(options.policy_key));
  }
  policy.set_legacy_parent(options.legacy_parent);
  policy.set_pin(options.pin.wanted());
  return FillPin(session, options.pin, from_stdin, true, *way.mutable_pin());
}

Status FillAhead(const AheadOptions& options, v1::BootUpdate& update) {
  for (const std::string& text : options.files) {
    ASSIGN_OR_RETURN(*update.add_files(), ParseBootFile(text));
  }
  if (!options.command_line.empty()) {
    update.mutable_command_line()->set_before(options.command_line.front());
    update.mutable_command_line()->set_after(options.command_line.back());
  }
  for (const std::string& text : options.variables) {
    ASSIGN_OR_RETURN(*update.add_variables(), ParseVariable(text));
  }
  for (const std::string& phase : options.phases) update.add_phases(phase);
  return {};
}

Outcome PrepareForRecoveryKey(Session& session, RecoveryOutput& recovery,
                              const OpeningOptions& options, std::string& certificates_pem,
                              v1::VolumeSecret& secret) {
  if (Outcome outcome = recovery.Prepare(certificates_pem); !outcome.ok()) return outcome;
  if (Status status = FillSecret(session, options, secret); !status.ok()) return Usage(status);
  return {};
}

}  // namespace seaworthy::ctl
