#include "ctl/render.h"

#include "ctl/arguments.h"

namespace seaworthy::ctl {
namespace {

constexpr std::int64_t kSoonDays = 30;

// "expires in 89 days".
std::string Expiry(const v1::Certificate& certificate, const Style& style) {
  const std::string days = FormatDays(certificate.days_left());
  if (certificate.expired()) return style.Bad("EXPIRED " + days);
  if (certificate.not_yet_valid()) {
    return style.Bad("NOT YET VALID") + ", from " + FormatTime(certificate.not_before().seconds());
  }
  const std::string expires = "expires " + days;
  return certificate.days_left() < kSoonDays ? style.Warning(expires) : expires;
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + Printable(word);
  return text;
}

std::string StateCell(const v1::Key& key, const Style& style) {
  if (!key.problem().empty()) return style.Bad("damaged") + ": " + Printable(key.problem());
  std::string cell = "no certificate";
  if (key.has_certificate()) {
    cell = Printable(key.certificate().subject()) + ", " + Expiry(key.certificate(), style);
  }
  if (key.rotation_pending()) cell += style.Warning(", rotation under way");
  return cell;
}

std::string FindingLine(const verify::Finding& finding, const Style& style) {
  if (finding.severity == verify::Severity::kInfo) {
    return "  " + style.Good("ok") + "    " + Printable(finding.sentence) + "\n";
  }
  const bool failed = finding.severity == verify::Severity::kFailure;
  std::string line = "  " + (failed ? style.Bad("FAIL") : style.Warning("warn")) + "  " +
                     Printable(finding.sentence) + " [" + Printable(finding.code) + "]\n";
  if (!finding.expected.empty()) {
    line += "          expected  " + Printable(finding.expected) + "\n";
  }
  if (!finding.found.empty()) line += "          found     " + Printable(finding.found) + "\n";
  return line;
}

}  // namespace

std::string RenderKey(const v1::Key& key, const Style& style) {
  const std::string title = style.Strong(Printable(key.name())) + "\n";
  if (!key.problem().empty()) {
    return title + Align({{"problem", style.Bad(Printable(key.problem()))}}, "  ");
  }
  Rows rows = {
      {"algorithm", FormatKeyAlgorithm(key.algorithm())},
      {"created", FormatTime(key.created().seconds())},
      {"TPM name", Printable(key.tpm_name())},
      {"attributes", Join(key.attributes())},
      {"bound to PCRs", key.has_policy() ? FormatPcrSelection(key.policy()) : "no"},
  };
  if (key.has_certificate()) {
    const v1::Certificate& certificate = key.certificate();
    rows.push_back({"certificate", Printable(certificate.subject())});
    rows.push_back({"  issuer", Printable(certificate.issuer())});
    rows.push_back({"  serial", Printable(certificate.serial_hex())});
    rows.push_back({"  valid from", FormatTime(certificate.not_before().seconds())});
    rows.push_back({"  valid until", FormatTime(certificate.not_after().seconds()) + ", " +
                                         Expiry(certificate, style)});
  } else {
    rows.push_back({"certificate", "none"});
  }
  if (key.rotation_pending()) {
    rows.push_back({"rotation", "a next key waits for its certificate"});
  }
  return title + Align(rows, "  ");
}

std::string RenderKeys(const v1::ListKeysResponse& keys, const Style& style) {
  if (keys.keys().empty()) {
    return "no keys yet (seaworthyctl key create NAME makes one)\n";
  }
  Rows rows = {{"NAME", "ALGORITHM", "PCRS", "CREATED", "CERTIFICATE"}};
  for (const v1::Key& key : keys.keys()) {
    const bool damaged = !key.problem().empty();
    rows.push_back({Printable(key.name()), damaged ? "-" : FormatKeyAlgorithm(key.algorithm()),
                    key.has_policy() ? FormatPcrSelection(key.policy()) : "-",
                    damaged ? "-" : FormatTime(key.created().seconds()), StateCell(key, style)});
  }
  return Align(rows) + (keys.truncated() ? "(there are more: the list is cut here)\n" : "");
}

std::string RenderAttestationKey(const v1::AttestationKey& key) {
  return "TPM name: " + Printable(key.tpm_name()) + "\n" + PrintableLines(key.public_key_pem());
}

std::string RenderEndorsement(const v1::Endorsement& endorsement) {
  Rows rows;
  for (const v1::EndorsementKey& key : endorsement.endorsement_keys()) {
    rows.push_back({"endorsement key", Printable(key.tpm_name())});
    rows.push_back({"  certificate", key.certificate().empty()
                                         ? "none in the TPM"
                                         : std::to_string(key.certificate().size()) + " bytes"});
  }
  rows.push_back({"chain", std::to_string(endorsement.certificate_chain_size()) +
                               " certificates of its maker in the TPM"});
  rows.push_back({"attestation key", Printable(endorsement.attestation_key().tpm_name())});
  return Align(rows);
}

std::string RenderQuote(const v1::Evidence& evidence) {
  Rows rows;
  for (const v1::PcrValue& pcr : evidence.pcrs()) {
    rows.push_back(
        {FormatHash(pcr.bank()) + ":" + std::to_string(pcr.index()), Hex(AsBytes(pcr.digest()))});
  }
  return Align(rows, "  ");
}

std::string RenderEvidence(const v1::Evidence& evidence) {
  const auto log = [](std::size_t size) {
    return size == 0 ? std::string("none") : std::to_string(size) + " bytes";
  };
  return Align({{"PCRs quoted", std::to_string(evidence.pcrs_size())},
                {"boot log", log(evidence.boot_log().size())},
                {"IMA list", log(evidence.ima_list().size()) + ", from entry " +
                                 std::to_string(evidence.ima_first()) + " on"}},
               "  ");
}

std::string RenderVerdict(const verify::Verdict& verdict, const Style& style) {
  std::string text;
  std::string failed;
  for (const verify::Finding& finding : verdict.findings) {
    text += FindingLine(finding, style);
    if (finding.severity != verify::Severity::kFailure) continue;
    // Once, however many files it is about.
    const std::string code = Printable(finding.code);
    if ((", " + failed + ",").find(", " + code + ",") != std::string::npos) continue;
    failed += (failed.empty() ? "" : ", ") + code;
  }
  if (verdict.trusted) return text + style.Good("trusted") + "\n";
  return text + style.Bad("NOT trusted") + ": " + failed + "\n";
}

}  // namespace seaworthy::ctl
