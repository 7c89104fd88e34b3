// A software TPM with a node on it, a CA, and openssl's command line as the judge.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "component/modules/keys/keys_node.h"
#include "support/software_ca.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::testing {

inline Deadline Soon() { return DeadlineIn(std::chrono::seconds(60)); }

inline tls::EvpPkeyPtr PublicEvp(ByteView spki) {
  const unsigned char* der = spki.data();
  return tls::EvpPkeyPtr(d2i_PUBKEY(nullptr, &der, static_cast<long>(spki.size())));
}

// Leaf and CA, leaf first.
inline std::string ChainFor(const SoftwareCa& ca, const tpm::PublicKey& key,
                            std::time_t seconds_left = 90 * 24 * 3600) {
  CertificateOptions options;
  options.not_before = std::time(nullptr) - 3600;
  options.not_after = std::time(nullptr) + seconds_left;
  return ToPem(ca.Certify(PublicEvp(key.subject_public_key_info).get(), options).get()) + ca.pem();
}

inline Bytes Sha256(std::string_view text) {
  Bytes digest(32);
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

class KeysTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(node_.Start(), IsOk()); }

  keys::Keys& keys() { return node_.keys(); }

  std::filesystem::path KeyPath(const std::string& relative) const {
    return files_.path() / "state" / "keys" / relative;
  }

  std::string WriteFile(const std::string& name, std::string_view content) const {
    std::ofstream(files_ / name, std::ios::binary) << content;
    return files_ / name;
  }

  static bool Succeeds(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
  }

  bool OpensslAcceptsCsr(const std::string& csr_pem) const {
    return Succeeds("openssl req -verify -noout -in " + WriteFile("csr.pem", csr_pem));
  }

  bool OpensslAccepts(const tpm::PublicKey& key, const Bytes& digest, const Bytes& signature,
                      const std::string& options) const {
    return Succeeds("openssl pkeyutl -verify -pubin -inkey " +
                    WriteFile("public.pem", tls::PublicKeyPem(key.subject_public_key_info)) +
                    " -in " + WriteFile("digest", AsText(digest)) + " -sigfile " +
                    WriteFile("signature", AsText(signature)) + " -pkeyopt digest:sha256 " +
                    options);
  }

  // Signs as the API does by default and has openssl check it.
  void ExpectSigns(const std::string& name) {
    const Bytes digest = Sha256("message of " + name);
    const auto signature =
        keys().Sign(Soon(), name, std::nullopt, tpm::HashAlgorithm::kSha256, digest);
    ASSERT_THAT(signature, IsOk());
    const auto key = keys().Get(name);
    ASSERT_THAT(key, IsOk());
    const bool rsa = tpm::ToString(key->public_key.algorithm).starts_with("RSA");
    const std::string pss = "-pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:auto";
    EXPECT_TRUE(OpensslAccepts(key->public_key, digest, *signature, rsa ? pss : ""));
    EXPECT_FALSE(OpensslAccepts(key->public_key, Sha256("other"), *signature, rsa ? pss : ""));
  }

  Result<Bytes> Sign(const std::string& name) {
    return keys().Sign(Soon(), name, std::nullopt, tpm::HashAlgorithm::kSha256, Sha256("x"));
  }

  SwTpm sw_tpm_;
  TempRoot files_;
  SoftwareCa ca_;
  KeysNode node_{sw_tpm_.tcti(), files_ / "state"};
};

}  // namespace seaworthy::testing
