#include "ctl/render_volumes.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "ctl/arguments.h"
#include "seaworthy/bytes.h"
#include "seaworthy/handle.h"

namespace seaworthy::ctl {
namespace {

// The key's name in systemd's tpm2-pcr-signature.json, "pkfp", as far as it takes to know it again.
std::string KeyName(const std::string& pem) {
  constexpr std::size_t kShown = 8;
  const CPtr<BIO, BIO_free_all> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const CPtr<EVP_PKEY, EVP_PKEY_free> key(
      bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  const int size = key ? i2d_PublicKey(key.get(), nullptr) : -1;
  if (size <= 0) return "?";
  Bytes der(static_cast<std::size_t>(size));
  std::uint8_t* end = der.data();
  i2d_PublicKey(key.get(), &end);
  Bytes digest(EVP_MAX_MD_SIZE);
  if (EVP_Digest(der.data(), der.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    return "?";
  }
  digest.resize(kShown);
  return Hex(digest) + "...";
}

std::string KindWord(v1::WayInKind kind) {
  switch (kind) {
    case v1::WAY_IN_TPM:
      return "TPM";
    case v1::WAY_IN_RECOVERY_KEY:
      return "recovery key";
    case v1::WAY_IN_PASSPHRASE:
      return "passphrase";
    case v1::WAY_IN_CLEVIS:
      return "Clevis";
    default:
      return "unknown";
  }
}

std::string StateWord(const v1::Volume& volume, const Style& style) {
  switch (volume.state()) {
    case v1::VOLUME_CLOSED:
      return "closed";
    case v1::VOLUME_OPEN:
      return style.Good("open");
    case v1::VOLUME_REENCRYPTING:
      return style.Warning("re-encryption is to be gone on with");
    case v1::VOLUME_UNUSABLE:
      return style.Bad("UNUSABLE");
    default:
      return "unknown";
  }
}

std::string Problem(const v1::Volume& volume) {
  return Printable(volume.problem()) + " [" + Printable(volume.problem_reason()) + "]";
}

std::string StateCell(const v1::Volume& volume, const Style& style) {
  std::string cell = StateWord(volume, style);
  if (!volume.problem_reason().empty()) return cell + ": " + Problem(volume);
  bool fits = false;
  bool does_not = false;
  for (const v1::WayIn& way : volume.ways_in()) {
    fits |= way.fit() == v1::POLICY_FITS;
    does_not |= way.fit() == v1::POLICY_DOES_NOT_FIT;
  }
  if (does_not && !fits) cell += style.Warning(", the TPM would not open it now");
  return cell;
}

std::string Kinds(const v1::Volume& volume) {
  std::string text;
  for (const v1::WayIn& way : volume.ways_in()) {
    const std::string word = KindWord(way.kind());
    if (text.find(word) == std::string::npos) text += (text.empty() ? "" : ", ") + word;
  }
  return text.empty() ? "-" : text;
}

std::string WhenCell(const v1::WayIn& way) {
  switch (way.kind()) {
    case v1::WAY_IN_TPM:
      return PolicyWords(way.policy());
    case v1::WAY_IN_RECOVERY_KEY:
    case v1::WAY_IN_PASSPHRASE:
      return "always";
    default:
      return "-";
  }
}

std::string FitCell(const v1::WayIn& way, const Style& style) {
  if (way.kind() != v1::WAY_IN_TPM) return "";
  if (way.fit() == v1::POLICY_FITS) return style.Good("fits");
  if (way.fit() == v1::POLICY_DOES_NOT_FIT) return style.Warning("does not fit");
  return "not known";
}

std::string Options(const v1::MappingOptions& options) {
  std::string text;
  const auto add = [&text](bool set, std::string_view word) {
    if (set) text += (text.empty() ? "" : ", ") + std::string(word);
  };
  add(options.read_only(), "read only");
  add(options.allow_discards(), "the disk is told which blocks are free");
  add(options.no_read_workqueue(), "no read workqueue");
  add(options.no_write_workqueue(), "no write workqueue");
  return text;
}

template <class Numbers>
std::string Keyslots(const Numbers& keyslots) {
  std::string text = keyslots.size() == 1 ? "keyslot" : "keyslots";
  for (int i = 0; i < keyslots.size(); ++i) {
    text += (i == 0 ? " " : ", ") + std::to_string(keyslots.Get(i));
  }
  return text;
}

template <class Lines>
std::string Indented(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += "  " + Printable(line) + "\n";
  return text;
}

}  // namespace

std::string PolicyWords(const v1::TpmPolicy& policy) {
  std::string text;
  const auto add = [&text](const std::string& words) {
    text += (text.empty() ? "" : ", ") + words;
  };
  if (policy.pcrs().indices_size() > 0) {
    add(FormatPcrSelection(policy.pcrs()) + " as sealed");
  }
  if (policy.has_signed_pcrs()) {
    add(FormatPcrSelection(policy.signed_pcrs().pcrs()) + " signed by key " +
        KeyName(policy.signed_pcrs().public_key_pem()));
  }
  if (policy.pin()) add("PIN");
  if (text.empty()) text = "nothing";
  return text + (policy.legacy_parent() ? " (for systemd before 254)" : "");
}

std::string RenderVolumes(const v1::ListVolumesResponse& volumes, const Style& style) {
  if (volumes.volumes().empty()) {
    return "no volumes yet (seaworthyctl volumes format NAME DEVICE makes one)\n";
  }
  Rows rows = {{"NAME", "DEVICE", "WAYS IN", "STATE"}};
  for (const v1::Volume& volume : volumes.volumes()) {
    rows.push_back({Printable(volume.name()), Printable(volume.device()), Kinds(volume),
                    StateCell(volume, style)});
  }
  return Align(rows);
}

std::string RenderVolume(const v1::Volume& volume, const Style& style) {
  Rows rows = {{"device", Printable(volume.device())}};
  rows.push_back(
      {"state", StateWord(volume, style) +
                    (volume.mapping().empty() ? "" : ", " + Printable(volume.mapping()))});
  if (!volume.problem_reason().empty()) rows.push_back({"problem", style.Bad(Problem(volume))});
  if (!volume.uuid().empty()) rows.push_back({"UUID", Printable(volume.uuid())});
  if (!volume.label().empty()) rows.push_back({"label", Printable(volume.label())});
  if (volume.state() != v1::VOLUME_UNUSABLE) {
    rows.push_back({"record of the header", volume.generation() == 0
                                                ? style.Warning("none")
                                                : "change " + std::to_string(volume.generation())});
  }
  for (const std::string& key : volume.guard_keys()) {
    rows.push_back({"guard key", Printable(key)});
  }
  rows.push_back({"opened at start", volume.open_at_start() ? "yes" : "no"});
  if (const std::string options = Options(volume.mapping_options()); !options.empty()) {
    rows.push_back({"mapping", options});
  }
  std::string text = style.Strong(Printable(volume.name())) + "\n" + Align(rows, "  ");
  if (volume.ways_in().empty()) return text;
  rows = {{"KEYSLOT", "WAY IN", "WHEN", "NOW"}};
  for (const v1::WayIn& way : volume.ways_in()) {
    rows.push_back(
        {std::to_string(way.keyslot()), KindWord(way.kind()), WhenCell(way), FitCell(way, style)});
  }
  return text + Align(rows, "  ");
}

std::string RenderVolumeTest(const v1::VolumeTest& test, const Style& style) {
  if (test.opens()) {
    return style.Good("opens") + " by keyslot " + std::to_string(test.keyslot()) +
           (test.header_checked() ? "; the header is the one that we left\n"
                                  : style.Warning("; the header was not checked") + "\n");
  }
  std::string text = style.Bad("does not open") + ": " + Printable(test.message()) + " [" +
                     Printable(test.reason()) + "]\n";
  return text + Indented(test.differences());
}

std::string RenderRefresh(const v1::RefreshVolumeResponse& refresh, const Style& style) {
  std::string text;
  if (!refresh.differences().empty()) text = "what differed:\n" + Indented(refresh.differences());
  if (!refresh.added().empty()) text += "added " + Keyslots(refresh.added()) + "\n";
  if (!refresh.removed().empty()) text += "took away " + Keyslots(refresh.removed()) + "\n";
  if (refresh.added().empty() && refresh.removed().empty()) text += "nothing was to be changed\n";
  return text + RenderVolume(refresh.volume(), style);
}

std::string RenderAcceptedHeader(const v1::AcceptedHeader& accepted, const Style& style) {
  std::string text;
  if (!accepted.before_reason().empty()) {
    text = "until now: " + Printable(accepted.before()) + " [" +
           Printable(accepted.before_reason()) + "]\n";
  }
  if (!accepted.guarded().empty()) {
    text += "the record is checked by " + Keyslots(accepted.guarded()) + "\n";
  }
  if (!accepted.unguarded().empty()) {
    text += style.Warning("not by " + Keyslots(accepted.unguarded()) +
                          ", whose secrets nobody gave: make them anew") +
            "\n";
  }
  return text + RenderVolume(accepted.volume(), style);
}

std::string RenderPrediction(const v1::PredictUpdateResponse& prediction) {
  std::string text;
  for (const v1::PcrValue& value : prediction.pcrs()) {
    text += FormatHash(value.bank()) + ":" + std::to_string(value.index()) + "=" +
            Hex(AsBytes(value.digest())) + "\n";
  }
  return text;
}

}  // namespace seaworthy::ctl
