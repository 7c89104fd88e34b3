// The stock tools on a software TPM: systemd-cryptenroll and clevis enrol volumes, systemd's token
// plugin opens them in the test's own process. They say what our formats have to be.
#pragma once

#include <gtest/gtest.h>
#include <libcryptsetup.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <string>

#include "component/modules/volumes/luks_fixture.h"
#include "modules/volumes/metadata_write.h"
#include "seaworthy/handle.h"
#include "support/sw_tpm.h"

namespace seaworthy::testing {

// systemd 252: src/cryptsetup/cryptsetup-tokens/cryptsetup-token-systemd-tpm2.c
struct StockTpm2Parameters {
  std::uint32_t search_pcr_mask = UINT32_MAX;
  const char* device = nullptr;  // a TCTI
  const char* signature_path = nullptr;
};

// Without a PIN the plugin says that it wants one, with a wrong one that it is wrong.
inline constexpr int kPinMissing = -ENOANO;
inline constexpr int kPinWrong = -ENOTRECOVERABLE;

inline Bytes Sha256(ByteView bytes) {
  Bytes digest(32);
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

class StockPluginTest : public LuksTest {
 protected:
  void SetUp() override {
    volume_ = MakeVolume().path();
    // PCRs that nobody has extended count as those of a broken firmware.
    ASSERT_TRUE(Tpm2("pcrextend 7:sha256=" + Hex(Bytes(32, 7))));
    ASSERT_TRUE(Tpm2("pcrextend 11:sha256=" + Hex(Bytes(32, 11))));
  }

  bool Tpm2(const std::string& arguments) const {
    return Succeeds("TPM2TOOLS_TCTI='" + tpm_.tcti() + "' tpm2_" + arguments);
  }

  // What the stock tools leave behind without a resource manager.
  void Flush() const {
    for (const char* kind : {"-t", "-l", "-s"}) Tpm2(std::string("flushcontext ") + kind);
  }

  // `options`: of systemd-cryptenroll, without the device; `environment`: "NEWPIN=1234".
  Output Enroll(const std::string& options, const std::string& environment = "") const {
    const std::string key_file = KeyFile("first");
    ::chmod(key_file.c_str(), 0600);
    const Output output =
        RunProgram(environment + " systemd-cryptenroll --unlock-key-file=" + key_file + " " +
                   options + " " + volume_ + " </dev/null");
    Flush();
    return output;
  }
  Output EnrollTpm2(const std::string& options, const std::string& environment = "") const {
    return Enroll("--tpm2-device=" + tpm_.tcti() + " " + options, environment);
  }

  Output BindClevis(const std::string& configuration) const {
    const Output output =
        RunProgram("TPM2TOOLS_TCTI='" + tpm_.tcti() + "' clevis luks bind -y -k " +
                   KeyFile("first") + " -d " + volume_ + " tpm2 '" + configuration + "'");
    Flush();
    return output;
  }

  // The passphrase that clevis gets for a keyslot.
  Output ClevisPassphrase(int keyslot) const {
    const Output output = RunProgram("TPM2TOOLS_TCTI='" + tpm_.tcti() + "' clevis luks pass -d " +
                                     volume_ + " -s " + std::to_string(keyslot));
    Flush();
    return output;
  }

  // The keyslot that the plugin opens with a token of its type, or its negative errno.
  int OpenWithPlugin(const std::optional<std::string>& pin = std::nullopt,
                     const std::string& signature = "") const {
    crypt_device* handle = nullptr;
    EXPECT_EQ(crypt_init(&handle, volume_.c_str()), 0);
    const CPtr<crypt_device, crypt_free> device(handle);
    EXPECT_EQ(crypt_load(handle, CRYPT_LUKS2, nullptr), 0);
    const std::string tcti = tpm_.tcti();
    StockTpm2Parameters parameters = {.device = tcti.c_str()};
    if (!signature.empty()) parameters.signature_path = signature.c_str();
    const int keyslot = crypt_activate_by_token_pin(handle, nullptr, "systemd-tpm2",
                                                    CRYPT_ANY_TOKEN, pin ? pin->data() : nullptr,
                                                    pin ? pin->size() : 0, &parameters, 0);
    Flush();
    return keyslot;
  }

  // As whoever can write to the disk: the data segment's, in both copies of the header.
  Status TakeCipherAway() const {
    std::string json = RunProgram("cryptsetup luksDump --dump-json-metadata " + volume_).text;
    const std::string cipher = R"("encryption":"aes-xts-plain64",)";
    const std::size_t at = json.rfind(cipher, json.find("\"sector_size\""));
    if (at == std::string::npos) return Fail(Code::kInternal, "NO_CIPHER", json);
    json.replace(at, cipher.size(), R"("encryption":"cipher_null-ecb",)");
    return volumes::ReplaceMetadata(volume_, json);
  }

  // A new RSA key in policy.pem, policy.pub its public half.
  std::string MakePolicyKey() const {
    EXPECT_TRUE(Succeeds("openssl genrsa -out " + files_ / "policy.pem" +
                         " 2048 && openssl rsa -pubout -in " + files_ / "policy.pem" + " -out " +
                         files_ / "policy.pub"));
    return files_ / "policy.pub";
  }

  // tpm2-pcr-signature.json that allows the value of PCR 11, by openssl.
  std::string SignPcr11(ByteView value) const {
    // TPM2_PolicyPCR's code, the selection of PCR 11 of one bank, the digest of its value.
    Bytes policy(32);
    const Bytes command = ParseHex("0000017f00000001000b03000800").value();
    policy.insert(policy.end(), command.begin(), command.end());
    const Bytes digest = Sha256(value);
    policy.insert(policy.end(), digest.begin(), digest.end());
    policy = Sha256(policy);
    std::ofstream(files_ / "policy", std::ios::binary) << AsText(policy);
    const std::string signature = RunProgram("openssl dgst -sha256 -sign " + files_ / "policy.pem" +
                                             " " + files_ / "policy" + " | base64 -w0")
                                      .text;
    const std::string fingerprint = RunProgram("openssl rsa -in " + files_ / "policy.pem" +
                                               " -RSAPublicKey_out -outform DER 2>/dev/null | "
                                               "sha256sum | cut -c1-64 | tr -d '\\n'")
                                        .text;
    std::ofstream(files_ / "signature.json")
        << R"({"sha256":[{"pcrs":[11],"pkfp":")" << fingerprint << R"(","pol":")" << Hex(policy)
        << R"(","sig":")" << signature << R"("}]})";
    return files_ / "signature.json";
  }

  // What a PCR of all zeros is after an extension.
  static Bytes Extended(const Bytes& digest) {
    Bytes both(32);
    both.insert(both.end(), digest.begin(), digest.end());
    return Sha256(both);
  }

  SwTpm tpm_;
  std::string volume_;
};

}  // namespace seaworthy::testing
