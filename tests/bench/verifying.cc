#include "bench/verifying.h"

#include <malloc.h>
#include <openssl/sha.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <utility>

#include "bench/process.h"
#include "support/ima_entry.h"

namespace seaworthy::bench {
namespace {

// As on a node that was updated for years without a reboot: each file came in ten versions. All of
// them are in the list, which has no entry twice, and all of them are allowed.
constexpr int kFiles = 100'000;
constexpr int kVersions = 10;
static_assert(kFiles * kVersions == Verifying::kEntries);
// Lists on nodes are in no order of names. Prime to kFiles.
constexpr int kStride = 61'803;
constexpr std::size_t kChunk = std::size_t{1} << 20;
// About a tenth of the list.
constexpr int kChunksBefore = 13;
constexpr std::size_t kPcrSize = SHA256_DIGEST_LENGTH;

double CpuSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Without what is free: the allocator keeps what the making of the list left.
double ResidentMib() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  double size = 0;
  double resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

Bytes Sha256(ByteView data) {
  Bytes digest(kPcrSize);
  SHA256(data.data(), data.size(), digest.data());
  return digest;
}

// In the forms that Debian has; 51 bytes in the mean.
std::string PathOf(int file) {
  constexpr const char* kForms[] = {
      "/usr/bin/program-%06d",
      "/usr/lib/x86_64-linux-gnu/libcomponent-%06d.so.4.2.1",
      "/usr/lib/python3/dist-packages/package/module_%06d.py",
      "/usr/lib/modules/6.1.0-40-amd64/kernel/drivers/net/device_%06d.ko",
      "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/extension-%06d.so",
  };
  char path[128];
  std::snprintf(path, sizeof(path), kForms[static_cast<std::size_t>(file) % std::size(kForms)],
                file);
  return path;
}

// The binary list of the template ima-ng as it's written, and PCR 10 after it.
class ImaListWriter {
 public:
  explicit ImaListWriter(const std::string& path) : file_(path, std::ios::binary) {
    replay_.Settle(verify::ImaReplay::Form::kNative);
  }

  void Add(const std::string& path, ByteView digest) {
    const Bytes bytes = testing::MakeImaNgEntry(path, digest);
    reader_.Add(bytes);
    const verify::ImaEntry entry = *Must(reader_.Next(), "reading an entry");
    replay_.Extend(entry, verify::ImaTemplateSha1(entry));
    file_ << AsText(bytes);
  }

  Bytes Pcr10() {
    if (!file_.flush()) Give("writing the IMA list");
    const ByteView value = replay_.Value(verify::ImaReplay::Form::kNative);
    return {value.begin(), value.end()};
  }

 private:
  std::ofstream file_;
  verify::ImaReplay replay_ = Must(verify::ImaReplay::Start(TPM2_ALG_SHA256), "starting a replay");
  verify::ImaListReader reader_;
};

// PCRs 0 to 7: what they are does not matter.
std::vector<verify::PcrValue> BootPcrs() {
  std::vector<verify::PcrValue> pcrs;
  for (std::uint32_t index = 0; index < 8; ++index) {
    pcrs.push_back({TPM2_ALG_SHA256, index, Bytes(kPcrSize, static_cast<std::uint8_t>(index))});
  }
  return pcrs;
}

Bytes Join(const std::vector<verify::PcrValue>& pcrs) {
  Bytes all;
  for (const verify::PcrValue& pcr : pcrs) {
    all.insert(all.end(), pcr.digest.begin(), pcr.digest.end());
  }
  return all;
}

verify::Verifier MakeVerifier(verify::Policy policy) {
  return Must(verify::Verifier::Create(std::move(policy)), "making a verifier");
}

verify::Evidence QuoteBy(verify::Forger& node, const Bytes& pcr10) {
  node.pcrs = BootPcrs();
  node.pcrs.push_back({TPM2_ALG_SHA256, verify::kImaPcr, pcr10});
  node.attest.attested.quote.pcrSelect.pcrSelections[0] = {TPM2_ALG_SHA256, 3, {0xff, 0x04, 0}};
  node.SetPcrDigest(Join(node.pcrs));
  return node.Quote();
}

verify::Policy PolicyOf(const std::vector<verify::PcrValue>& pcrs) {
  verify::Policy policy;
  for (const verify::PcrValue& pcr : pcrs) policy.pcrs[{pcr.bank, pcr.index}] = {pcr.digest};
  return policy;
}

void MustBeTrusted(const verify::Judgement& judgement) {
  if (judgement.verdict.trusted) return;
  for (const verify::Finding& finding : judgement.verdict.findings) {
    if (finding.severity == verify::Severity::kFailure) Give(finding.sentence);
  }
}

}  // namespace

Verifying::Verifying()
    : list_verifier_(MakeList()),
      ak_(node_.Ak()),
      evidence_(QuoteBy(node_, pcr10_)),
      quote_verifier_(MakeVerifier(PolicyOf(evidence_.pcrs))) {
  // evmctl counts the lines, so those before are needed too.
  std::ofstream pcrs(root_ / "pcrs");
  for (std::uint32_t index = 0; index < verify::kImaPcr; ++index) {
    pcrs << "PCR-0" << index << ": " << Hex(Bytes(kPcrSize)) << '\n';
  }
  pcrs << "PCR-10: " << Hex(pcr10_) << '\n';
}

// Returns who allows what is in it.
verify::Verifier Verifying::MakeList() {
  ImaListWriter list(root_ / "list");
  verify::Policy policy;
  policy.ima.required = true;
  list.Add(std::string(verify::kBootAggregate), Sha256(Join(BootPcrs())));
  for (int i = 1; i < kEntries; ++i) {
    const int file = static_cast<int>(std::int64_t{i} * kStride % kFiles);
    const std::string path = PathOf(file);
    const Bytes digest = Sha256(AsBytes(path + " " + std::to_string(i / kFiles)));
    list.Add(path, digest);
    policy.ima.files[path].push_back({"sha256", digest});
  }
  pcr10_ = list.Pcr10();
  return MakeVerifier(std::move(policy));
}

Verifying::ListCost Verifying::JudgeList() const {
  std::ifstream list(root_ / "list", std::ios::binary);
  ListCost cost;
  double resident_mib = 0;
  int chunks = 0;
  double begin = CpuSeconds();
  verify::Round round = list_verifier_.Begin(evidence_, node_.nonce, ak_, std::nullopt);
  cost.seconds += CpuSeconds() - begin;
  Bytes chunk(kChunk);
  while (list.read(reinterpret_cast<char*>(chunk.data()), kChunk), list.gcount() > 0) {
    begin = CpuSeconds();
    round.AddImaList(ByteView(chunk).first(static_cast<std::size_t>(list.gcount())));
    cost.seconds += CpuSeconds() - begin;
    if (++chunks == kChunksBefore) resident_mib = ResidentMib();
  }
  cost.growth_mib = ResidentMib() - resident_mib;
  begin = CpuSeconds();
  const verify::Judgement judgement = std::move(round).Finish();
  cost.seconds += CpuSeconds() - begin;
  MustBeTrusted(judgement);
  return cost;
}

double Verifying::ReplayByEvmctl() const {
  return Run({"evmctl", "ima_measurement", "--pcrs", "sha256," + root_ / "pcrs", root_ / "list"},
             {}, root_ / "log");
}

double Verifying::JudgeQuote() const {
  const double begin = CpuSeconds();
  MustBeTrusted(quote_verifier_.Verify(evidence_, node_.nonce, ak_));
  return CpuSeconds() - begin;
}

}  // namespace seaworthy::bench
