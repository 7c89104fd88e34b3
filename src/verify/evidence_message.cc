#include <utility>

#include "seaworthy/enrolment.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/attestation.pb.h"
#include "seaworthy/v1/key.pb.h"
#include "seaworthy/verify.h"
#include "seaworthy/verify_message.h"

namespace seaworthy::verify {
namespace {

// TPM_ALG_ID beside the message's word for it.
constexpr std::pair<std::uint16_t, v1::HashAlgorithm> kBanks[] = {
    {0x0004, v1::SHA1}, {0x000b, v1::SHA256}, {0x000c, v1::SHA384}, {0x000d, v1::SHA512}};

Bytes ToBytes(const std::string& field) { return {field.begin(), field.end()}; }

std::string ToField(const Bytes& bytes) { return std::string(AsText(bytes)); }

template <class M>
Status Parse(ByteView serialized, std::string_view type, M& message) {
  if (serialized.size() > kMaxMessage) {
    return Fail(Code::kInvalidArgument, "MALFORMED",
                std::string(type) + " of more than 512 MiB: " + std::to_string(serialized.size()) +
                    " bytes");
  }
  if (!message.ParseFromArray(serialized.data(), static_cast<int>(serialized.size()))) {
    return Fail(Code::kInvalidArgument, "MALFORMED",
                "the bytes are not a serialized " + std::string(type));
  }
  return {};
}

}  // namespace

void ToMessage(const Evidence& evidence, v1::Evidence& message) {
  message.Clear();
  message.set_ak_public(ToField(evidence.ak_public));
  message.set_quoted(ToField(evidence.quoted));
  message.set_signature(ToField(evidence.signature));
  for (const PcrValue& pcr : evidence.pcrs) {
    v1::PcrValue& value = *message.add_pcrs();
    for (const auto& [bank, word] : kBanks) {
      if (bank == pcr.bank) value.set_bank(word);
    }
    value.set_index(pcr.index);
    value.set_digest(ToField(pcr.digest));
  }
  message.set_boot_log(ToField(evidence.boot_log));
  message.set_ima_list(ToField(evidence.ima_list));
  message.set_ima_first(evidence.ima_first);
  for (const KeyCertification& key : evidence.keys) ToMessage(key, *message.add_keys());
}

void ToMessage(const KeyCertification& certification, v1::KeyCertification& message) {
  message.Clear();
  message.set_key_public(ToField(certification.key_public));
  message.set_ak_public(ToField(certification.ak_public));
  message.set_attested(ToField(certification.attested));
  message.set_signature(ToField(certification.signature));
}

Evidence FromMessage(const v1::Evidence& message) {
  Evidence evidence{.ak_public = ToBytes(message.ak_public()),
                    .quoted = ToBytes(message.quoted()),
                    .signature = ToBytes(message.signature()),
                    .pcrs = {}};
  evidence.pcrs.reserve(static_cast<std::size_t>(message.pcrs_size()));
  for (const v1::PcrValue& value : message.pcrs()) {
    PcrValue& pcr = evidence.pcrs.emplace_back();
    for (const auto& [bank, word] : kBanks) {
      if (word == value.bank()) pcr.bank = bank;
    }
    pcr.index = value.index();
    pcr.digest = ToBytes(value.digest());
  }
  evidence.boot_log = ToBytes(message.boot_log());
  evidence.ima_list = ToBytes(message.ima_list());
  evidence.ima_first = message.ima_first();
  for (const v1::KeyCertification& key : message.keys()) evidence.keys.push_back(FromMessage(key));
  return evidence;
}

KeyCertification FromMessage(const v1::KeyCertification& message) {
  return {.key_public = ToBytes(message.key_public()),
          .ak_public = ToBytes(message.ak_public()),
          .attested = ToBytes(message.attested()),
          .signature = ToBytes(message.signature())};
}

Endorsement FromMessage(const v1::Endorsement& message) {
  Endorsement endorsement;
  for (const v1::EndorsementKey& key : message.endorsement_keys()) {
    endorsement.keys.push_back({ToBytes(key.public_area()), ToBytes(key.certificate())});
  }
  for (const std::string& certificate : message.certificate_chain()) {
    endorsement.chain.push_back(ToBytes(certificate));
  }
  endorsement.ak_public = ToBytes(message.attestation_key().public_area());
  return endorsement;
}

Result<Endorsement> ParseEndorsement(ByteView serialized) {
  v1::Endorsement message;
  RETURN_IF_ERROR(Parse(serialized, "Endorsement", message));
  return FromMessage(message);
}

Result<Evidence> ParseEvidence(ByteView serialized) {
  v1::Evidence message;
  RETURN_IF_ERROR(Parse(serialized, "Evidence", message));
  return FromMessage(message);
}

Result<KeyCertification> ParseKeyCertification(ByteView serialized) {
  v1::KeyCertification message;
  RETURN_IF_ERROR(Parse(serialized, "KeyCertification", message));
  return FromMessage(message);
}

}  // namespace seaworthy::verify
