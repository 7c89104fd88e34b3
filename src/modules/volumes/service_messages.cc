#include "modules/volumes/service_messages.h"

#include "seaworthy/rpc/tpm_messages.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

v1::VolumeState ToMessage(VolumeState state) {
  switch (state) {
    case VolumeState::kUnusable:
      return v1::VOLUME_UNUSABLE;
    case VolumeState::kClosed:
      return v1::VOLUME_CLOSED;
    case VolumeState::kOpen:
      return v1::VOLUME_OPEN;
    case VolumeState::kReencrypting:
      return v1::VOLUME_REENCRYPTING;
  }
  return v1::VOLUME_STATE_UNSPECIFIED;
}

v1::WayInKind ToMessage(WayInKind kind) {
  switch (kind) {
    case WayInKind::kByTpm:
      return v1::WAY_IN_TPM;
    case WayInKind::kByRecoveryKey:
      return v1::WAY_IN_RECOVERY_KEY;
    case WayInKind::kByPassphrase:
      return v1::WAY_IN_PASSPHRASE;
    case WayInKind::kByClevis:
      return v1::WAY_IN_CLEVIS;
    case WayInKind::kByOtherToken:
      return v1::WAY_IN_OTHER;
  }
  return v1::WAY_IN_KIND_UNSPECIFIED;
}

void ToMessage(const PolicyShown& policy, v1::TpmPolicy& message) {
  if (policy.pcrs.mask != 0) rpc::ToMessage(policy.pcrs, *message.mutable_pcrs());
  if (policy.signed_pcrs.has_value()) {
    v1::SignedPcrs& signed_pcrs = *message.mutable_signed_pcrs();
    signed_pcrs.set_public_key_pem(policy.signed_pcrs->public_key);
    rpc::ToMessage(policy.signed_pcrs->selection, *signed_pcrs.mutable_pcrs());
  }
  message.set_pin(policy.pin);
  message.set_legacy_parent(policy.legacy_parent);
}

void ToMessage(const WayInShown& way, v1::WayIn& message) {
  message.set_keyslot(way.keyslot);
  message.set_kind(ToMessage(way.kind));
  if (way.token.has_value()) message.set_token(*way.token);
  if (way.kind == WayInKind::kByTpm) ToMessage(way.policy, *message.mutable_policy());
  if (way.fits.has_value()) {
    message.set_fit(*way.fits ? v1::POLICY_FITS : v1::POLICY_DOES_NOT_FIT);
  }
}

Result<PolicyShown> FromMessage(const v1::TpmPolicy& message, const std::string& field) {
  PolicyShown policy;
  if (message.has_pcrs()) {
    ASSIGN_OR_RETURN(policy.pcrs, rpc::FromMessage(message.pcrs(), field + ".pcrs"));
  }
  if (message.has_signed_pcrs()) {
    const v1::SignedPcrs& signed_pcrs = message.signed_pcrs();
    policy.signed_pcrs.emplace();
    policy.signed_pcrs->public_key = signed_pcrs.public_key_pem();
    ASSIGN_OR_RETURN(policy.signed_pcrs->selection,
                     rpc::FromMessage(signed_pcrs.pcrs(), field + ".signed_pcrs.pcrs"));
  }
  policy.pin = message.pin();
  policy.legacy_parent = message.legacy_parent();
  return policy;
}

}  // namespace

SecretBytes TakeSecret(const std::string& field) {
  // The request is ours alone until the call returns; gRPC only hands it out as const.
  return SecretBytes::Take(const_cast<std::string&>(field));
}

VolumeSecret TakeSecret(const v1::VolumeSecret& message) {
  VolumeSecret secret;
  secret.unguarded = message.unguarded();
  switch (message.secret_case()) {
    case v1::VolumeSecret::kRecoveryKey:
      secret.kind = VolumeSecret::Kind::kRecoveryKey;
      secret.secret = TakeSecret(message.recovery_key());
      break;
    case v1::VolumeSecret::kPassphrase:
      secret.kind = VolumeSecret::Kind::kPassphrase;
      secret.secret = TakeSecret(message.passphrase());
      break;
    case v1::VolumeSecret::kPin:
      secret.secret = TakeSecret(message.pin());
      break;
    case v1::VolumeSecret::SECRET_NOT_SET:
      break;
  }
  return secret;
}

Result<NewTpmWayIn> FromMessage(const v1::NewTpmWayIn& message, const std::string& field) {
  NewTpmWayIn way;
  way.pin = TakeSecret(message.pin());
  if (message.has_policy()) {
    ASSIGN_OR_RETURN(way.policy, FromMessage(message.policy(), field + ".policy"));
  }
  way.policy.pin = way.policy.pin || !way.pin.empty();
  if (message.has_ahead()) way.ahead = FromMessage(message.ahead());
  return way;
}

Result<std::vector<NewTpmWayIn>> FromMessage(
    const google::protobuf::RepeatedPtrField<v1::NewTpmWayIn>& messages) {
  std::vector<NewTpmWayIn> ways;
  for (int i = 0; i < messages.size(); ++i) {
    ASSIGN_OR_RETURN(ways.emplace_back(),
                     FromMessage(messages.Get(i), "ways_in[" + std::to_string(i) + "]"));
  }
  return ways;
}

ExpectedBoot FromMessage(const v1::BootUpdate& message) {
  ExpectedBoot boot;
  for (const v1::BootFile& file : message.files()) {
    boot.update.files.push_back({file.path(), file.before(), file.after()});
  }
  if (message.has_command_line()) {
    boot.update.command_line =
        verify::CommandLineChange{message.command_line().before(), message.command_line().after()};
  }
  for (const v1::EfiVariable& variable : message.variables()) {
    boot.update.variables.push_back({variable.name(), variable.file()});
  }
  boot.phases.assign(message.phases().begin(), message.phases().end());
  return boot;
}

VolumeEntry EntryOf(const std::string& name, const std::string& device, bool open_at_start,
                    const v1::MappingOptions& mapping) {
  VolumeEntry entry;
  entry.name = name;
  entry.device = device;
  entry.open_at_start = open_at_start;
  entry.mapping = {mapping.read_only(), mapping.allow_discards(), mapping.no_read_workqueue(),
                   mapping.no_write_workqueue()};
  return entry;
}

void ToMessage(const Volume& volume, v1::Volume& message) {
  message.set_name(volume.entry.name);
  message.set_device(volume.entry.device);
  message.set_uuid(volume.entry.uuid);
  message.set_label(volume.label);
  message.set_state(ToMessage(volume.state));
  message.set_mapping(volume.mapping);
  for (const WayInShown& way : volume.ways_in) ToMessage(way, *message.add_ways_in());
  message.set_generation(volume.generation);
  message.set_open_at_start(volume.entry.open_at_start);
  if (!volume.problem.ok()) {
    message.set_problem_reason(Reason(volume.problem));
    message.set_problem(Message(volume.problem));
  }
  message.mutable_guard_keys()->Assign(volume.entry.guard_keys.begin(),
                                       volume.entry.guard_keys.end());
  v1::MappingOptions& mapping = *message.mutable_mapping_options();
  mapping.set_read_only(volume.entry.mapping.read_only);
  mapping.set_allow_discards(volume.entry.mapping.allow_discards);
  mapping.set_no_read_workqueue(volume.entry.mapping.no_read_workqueue);
  mapping.set_no_write_workqueue(volume.entry.mapping.no_write_workqueue);
}

void ToMessage(const AcceptedHeader& header, v1::AcceptedHeader& message) {
  const Accepted& accepted = header.accepted;
  ToMessage(header.volume, *message.mutable_volume());
  if (!accepted.before.ok()) {
    message.set_before_reason(Reason(accepted.before));
    message.set_before(Message(accepted.before));
  }
  message.mutable_guarded()->Assign(accepted.guarded.begin(), accepted.guarded.end());
  message.mutable_unguarded()->Assign(accepted.unguarded.begin(), accepted.unguarded.end());
}

void ToMessage(const TestedVolume& test, v1::VolumeTest& message) {
  message.set_opens(test.status.ok());
  message.set_keyslot(test.keyslot);
  message.set_header_checked(test.header_checked);
  if (!test.status.ok()) {
    message.set_reason(Reason(test.status));
    message.set_message(Message(test.status));
  }
  message.mutable_differences()->Assign(test.differences.begin(), test.differences.end());
}

}  // namespace seaworthy::volumes
