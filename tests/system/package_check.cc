// What a backend writes against the installed libseaworthy-verify:
//   package_check EVIDENCE_FILE NONCE_HEX_FILE AK_NAME_FILE     exits with 0 when trusted, else 1
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "seaworthy/enrolment.h"
#include "seaworthy/verify.h"

namespace {

std::string Read(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto evidence = seaworthy::verify::ParseEvidence(seaworthy::AsBytes(Read(argv[1])));
  std::string nonce_hex = Read(argv[2]);
  nonce_hex.resize(nonce_hex.find_last_not_of('\n') + 1);
  const auto nonce = seaworthy::ParseHex(nonce_hex);
  const std::string name = Read(argv[3]);
  if (!evidence.ok() || !nonce.ok()) return 2;
  // Nobody's offer: that it links is what matters.
  if (seaworthy::verify::VerifyEndorsement({}, {}, std::chrono::system_clock::now()).trusted)
    return 2;
  const auto verdict =
      seaworthy::verify::VerifyQuote(*evidence, *nonce, {{name.begin(), name.end()}});
  for (const auto& finding : verdict.findings) std::cout << finding.code << "\n";
  return verdict.trusted ? 0 : 1;
}
