#include "bench/volume_opening.h"

#include <libcryptsetup.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "bench/process.h"
#include "seaworthy/handle.h"
#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/tpm/key.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::bench {
namespace {

using volumes::HeaderCopy;
using volumes::Luks;
using volumes::OpenWayIn;

constexpr char kPassphrase[] = "a passphrase";
constexpr tpm::PcrSelection kPcr7 = {tpm::HashAlgorithm::kSha256, 1U << 7};
// systemd 252: src/cryptsetup/cryptsetup-tokens/cryptsetup-token-systemd-tpm2.c
struct PluginParameters {
  std::uint32_t search_pcr_mask = UINT32_MAX;
  const char* device = nullptr;
  const char* signature_path = nullptr;
};

Deadline Soon() { return DeadlineIn(std::chrono::seconds(30)); }

void Tpm2(const testing::SwTpm& tpm, std::vector<std::string> argv, const std::string& log) {
  Run(argv, {"TPM2TOOLS_TCTI=" + tpm.tcti()}, log);
}

}  // namespace

VolumeOpening::VolumeOpening()
    : ours_(MakeVolume("ours", our_tpm_)),
      systemds_(MakeVolume("systemds", systemds_tpm_)),
      clevis_(MakeVolume("clevis", clevis_tpm_)) {
  const std::string key = root_ / "key", log = root_ / "log";
  std::ofstream(key) << kPassphrase;
  chmod(key.c_str(), 0600);
  Run({"systemd-cryptenroll", "--unlock-key-file=" + key, "--tpm2-device=" + systemds_tpm_.tcti(),
       "--tpm2-pcrs=7", systemds_},
      {}, log);
  Tpm2(clevis_tpm_,
       {"clevis", "luks", "bind", "-y", "-k", key, "-d", clevis_, "tpm2",
        R"({"pcr_bank":"sha256","pcr_ids":"7"})"},
       log);
  Flush();

  broker_ = std::make_unique<tpm::Broker>(
      tpm::Broker::Options{.tcti = our_tpm_.tcti(), .state_dir = root_ / "state", .on_change = {}});
  const auto values = Must(
      broker_->Run(Soon(), [](tpm::Context& context) { return tpm::ReadPcrs(context, {kPcr7}); }),
      "reading PCR 7");
  const volumes::TpmWayIn way = {.policy = {.pcrs = {kPcr7, tpm::PcrDigest(values)}}};
  HeaderCopy copy = Must(HeaderCopy::Take(ours_), "taking the header");
  const auto unlocked = Must(
      volumes::UnlockByPassphrase(copy, SecretBytes::Copy(AsBytes(kPassphrase)), {}), "opening");
  Must(volumes::ChangeHeader(
           *broker_, Soon(), copy, unlocked,
           [&](Luks& luks, const SecretBytes& volume_key) -> Result<std::vector<OpenWayIn>> {
             std::vector<OpenWayIn> ways;
             ways.push_back(
                 Must(volumes::AddTpmWayIn(*broker_, Soon(), luks, volume_key, way), "enrolling"));
             return ways;
           }),
       "enrolling");
}

VolumeOpening::~VolumeOpening() = default;

std::string VolumeOpening::MakeVolume(const std::string& name, const testing::SwTpm& tpm) const {
  // systemd takes a PCR that nobody has extended for one of a broken firmware.
  Tpm2(tpm, {"tpm2_pcrextend", "7:sha256=" + std::string(64, '7')}, root_ / "log");
  const std::string path = root_ / name;
  std::ofstream(path, std::ios::trunc);
  std::filesystem::resize_file(path, std::uint64_t{20} << 20);
  const SecretBytes volume_key = Must(volumes::MakeVolumeKey(Bytes(32, 1)), "making a key");
  Luks luks = Must(Luks::Format(path, volume_key, {}), "formatting");
  Must(luks.AddKeyslot(volume_key, SecretBytes::Copy(AsBytes(kPassphrase)), {}),
       "adding a keyslot");
  return path;
}

void VolumeOpening::Ours() const {
  const HeaderCopy copy = Must(HeaderCopy::Take(ours_), "taking the header");
  const auto unlocked = Must(volumes::Unlock(*broker_, Soon(), copy, {}), "unlocking");
  Must(volumes::OpenKeyslot(copy, unlocked.way), "opening the keyslot");
}

void VolumeOpening::SystemdPlugin() const {
  crypt_device* handle = nullptr;
  if (crypt_init(&handle, systemds_.c_str()) != 0) Give("crypt_init");
  const CPtr<crypt_device, crypt_free> device(handle);
  if (crypt_load(handle, CRYPT_LUKS2, nullptr) != 0) Give("crypt_load");
  const std::string tcti = systemds_tpm_.tcti();
  PluginParameters parameters = {.device = tcti.c_str()};
  if (crypt_activate_by_token_pin(handle, nullptr, "systemd-tpm2", CRYPT_ANY_TOKEN, nullptr, 0,
                                  &parameters, 0) < 0) {
    Give("systemd's plugin does not open its volume");
  }
}

void VolumeOpening::Clevis() const {
  Tpm2(clevis_tpm_, {"clevis", "luks", "pass", "-d", clevis_, "-s", "1"}, root_ / "log");
}

void VolumeOpening::Flush() const {
  for (const testing::SwTpm* tpm : {&systemds_tpm_, &clevis_tpm_}) {
    for (const char* kind : {"-t", "-l", "-s"}) {
      Tpm2(*tpm, {"tpm2_flushcontext", kind}, root_ / "log");
    }
  }
}

}  // namespace seaworthy::bench
