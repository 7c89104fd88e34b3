// Options that several commands on volumes have.
#pragma once

#include <string>
#include <vector>

#include "ctl/command.h"
#include "ctl/recovery_output.h"
#include "ctl/render_volumes.h"
#include "ctl/secret_input.h"
#include "seaworthy/v1/volume.grpc.pb.h"

namespace seaworthy::ctl {

// The TPM may have to make a parent key, and a keyslot of others takes seconds by intention.
inline constexpr std::chrono::seconds kVolumeTimeout{120};

// What opens the volume for a call: by default the TPM.
struct OpeningOptions {
  bool recovery_key = false;
  bool passphrase = false;
  bool pin = false;
  bool unguarded = false;
  bool from_stdin = false;  // all secrets of the call, a line each: what opens comes first
  std::string file;
};

// A PIN beside it: of the way in that is made, or of those that have one.
struct PinOptions {
  bool ask = false;
  std::string file;
  bool wanted() const { return ask || !file.empty(); }
};

// How a way in by the TPM is made.
struct PolicyOptions {
  std::string pcrs;
  std::string signed_pcrs;
  std::string policy_key;
  bool legacy_parent = false;
  PinOptions pin;
  bool given() const {
    return !pcrs.empty() || !signed_pcrs.empty() || legacy_parent || pin.wanted();
  }
};

// Boot files as they will be.
struct AheadOptions {
  std::vector<std::string> files;
  std::vector<std::string> command_line;
  std::vector<std::string> variables;
  std::vector<std::string> phases;
};

void AddVolumeName(CLI::App* command, std::string& name);
// `pin` is the option for a PIN that opens, empty for none.
void AddOpening(CLI::App* command, OpeningOptions& options, const std::string& pin);
void AddPin(CLI::App* command, PinOptions& options, const std::string& what);
void AddPolicy(CLI::App* command, PolicyOptions& options);
void AddAhead(CLI::App* command, AheadOptions& options);
void AddRecovery(CLI::App* command, RecoveryOptions& options);
void AddStdin(CLI::App* command, bool& from_stdin);
void AddYes(CLI::App* command, bool& yes);

// What the options say, and the secrets that they have asked for. All errors are of usage.
Status FillSecret(Session& session, const OpeningOptions& options, v1::VolumeSecret& secret);
Status FillPin(Session& session, const PinOptions& options, bool from_stdin, bool twice,
               std::string& pin);
Status FillWayIn(Session& session, const PolicyOptions& options, bool from_stdin,
                 v1::NewTpmWayIn& way);
Status FillAhead(const AheadOptions& options, v1::BootUpdate& update);

// Where the new recovery key goes, and what opens the volume: all that such a call needs first.
Outcome PrepareForRecoveryKey(Session& session, RecoveryOutput& recovery,
                              const OpeningOptions& options, std::string& certificates_pem,
                              v1::VolumeSecret& secret);

// A call with a volume's secret that answers with the volume.
template <class Request>
Outcome CallForVolume(Session& session,
                      grpc::Status (v1::VolumeService::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, v1::Volume*),
                      const OpeningOptions& options, Request& request) {
  if (Status status = FillSecret(session, options, *request.mutable_secret()); !status.ok()) {
    return Usage(status);
  }
  v1::Volume volume;
  Outcome outcome = session.client().Call(method, request, volume, kVolumeTimeout);
  if (outcome.ok()) session.Answer(volume, RenderVolume(volume, session.style()));
  return outcome;
}

// A call that makes a recovery key, and the volume that it answers with.
template <class Request, class Response>
Outcome CallForRecoveryKey(Session& session,
                           grpc::Status (v1::VolumeService::Stub::*method)(grpc::ClientContext*,
                                                                           const Request&,
                                                                           Response*),
                           const Request& request, RecoveryOutput& recovery) {
  Response response;
  const CleansedAtEnd cleansed(response);
  if (Outcome outcome = session.client().Call(method, request, response, kVolumeTimeout);
      !outcome.ok()) {
    return outcome;
  }
  // First of all: what is not told now is lost.
  Outcome told =
      recovery.Deliver(*response.mutable_recovery_key(), *response.mutable_recovery_key_cms_pem());
  session.Answer(response, RenderVolume(response.volume(), session.style()));
  return told;
}

}  // namespace seaworthy::ctl
