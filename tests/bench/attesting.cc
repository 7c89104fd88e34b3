#include "bench/attesting.h"

#include <filesystem>
#include <fstream>

#include "bench/bare_tpm.h"
#include "bench/process.h"
#include "support/ima_entry.h"

namespace seaworthy::bench {
namespace {

// swtpm serves one connection at a time: this is over before the daemon comes.
void Measure(const std::string& tcti, const std::string& list_path, int entries) {
  BareTpm tpm(tcti);
  std::ofstream list(list_path, std::ios::binary);
  for (int i = 0; i < entries; ++i) {
    Bytes digest(32);
    const std::string path = "/usr/lib/x86_64-linux-gnu/libcomponent-" + std::to_string(i) + ".so";
    verify::ShortDigest(TPM2_ALG_SHA256, {AsBytes(path)}, digest.data());
    const Bytes entry = testing::MakeImaNgEntry(path, digest);
    list << AsText(entry);
    tpm.ExtendPcr10(testing::ImaExtension(entry));
  }
  if (!list.flush()) Give("writing the IMA list");
}

}  // namespace

Attesting::Attesting(const std::string& program, int entries)
    : daemon_(program, tpm_.tcti()), first_(static_cast<std::uint64_t>(entries - kNew)) {
  Measure(tpm_.tcti(), daemon_.ima_list(), entries);
  std::filesystem::copy_file(PROJECT_SOURCE_DIR
                             "/tests/data/captures/ovmf-secureboot-uki/binary_bios_measurements",
                             daemon_.boot_log());
  daemon_.Start();
  // The first round of all reads the whole list.
  reset_count_ = daemon_.Attest(0, 0);
}

}  // namespace seaworthy::bench
