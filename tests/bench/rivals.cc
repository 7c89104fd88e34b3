#include "bench/rivals.h"

#include <fstream>

#include "bench/process.h"

namespace seaworthy::bench {

Rivals::Rivals(const std::string& tcti)
    : variables_({"TPM2TOOLS_TCTI=" + tcti, "TPM2OPENSSL_TCTI=" + tcti}) {
  const std::string attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";
  Do({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", root_ / "parent"});
  for (const std::string name : {"key", "ak"}) {
    Do({"tpm2_create", "-Q", "-C", root_ / "parent", "-G",
        name == "ak" ? "ecc:ecdsa-sha256:null" : "ecc", "-a",
        name == "ak" ? attributes + "|restricted" : attributes, "-u", root_ / name + ".pub", "-r",
        root_ / name + ".priv", "-c", root_ / name});
    Flush();
  }
  Do({"openssl", "genpkey", "-provider", "tpm2", "-provider", "default", "-propquery",
      "?provider=tpm2", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-out", root_ / "key.pem"});
  std::ofstream(root_ / "digest") << std::string(32, 'x');
}

void Rivals::Do(const std::vector<std::string>& argv) { Run(argv, variables_, root_ / "log"); }

void Rivals::Flush() { Do({"tpm2_flushcontext", "-t"}); }

void Rivals::Tpm2Sign() {
  Do({"tpm2_sign", "-Q", "-c", root_ / "key", "-g", "sha256", "-s", "ecdsa", "-d", "-o",
      root_ / "signature", root_ / "digest"});
}

void Rivals::Tpm2Quote() {
  Do({"tpm2_quote", "-Q", "-c", root_ / "ak", "-l",
      "sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23", "-q",
      std::string(64, '0'), "-m", root_ / "quoted", "-s", root_ / "signature", "-o",
      root_ / "pcrs"});
}

void Rivals::OpensslSign() {
  Do({"openssl", "pkeyutl", "-provider", "tpm2", "-provider", "default", "-propquery",
      "?provider=tpm2", "-inkey", root_ / "key.pem", "-sign", "-in", root_ / "digest", "-out",
      root_ / "signature"});
}

}  // namespace seaworthy::bench
