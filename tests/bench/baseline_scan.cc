#include "bench/baseline_scan.h"

#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "bench/process.h"
#include "seaworthy/modules/integrity/baseline.h"
#include "support/software_ca.h"

namespace seaworthy::bench {
namespace {

// Of docker.io 20.10, containerd 1.6, runc 1.1 and tini 0.19 on amd64.
constexpr std::pair<const char*, std::size_t> kPrograms[] = {
    {"usr/bin/containerd", 48'168'072},
    {"usr/bin/containerd-shim", 6'065'472},
    {"usr/bin/containerd-shim-runc-v1", 11'590'224},
    {"usr/bin/containerd-shim-runc-v2", 11'615'216},
    {"usr/bin/ctr", 23'175'592},
    {"usr/bin/dnet", 16'548'920},
    {"usr/bin/docker", 45'582'984},
    {"usr/bin/tini-static", 708'080},
    {"usr/sbin/docker-proxy", 1'771'584},
    {"usr/sbin/dockerd", 75'181'184},
    {"usr/sbin/ovrouter", 11'326'456},
    {"usr/sbin/runc", 8'752'456}};
constexpr const char* kOthers[] = {"etc/docker/daemon.json",
                                   "etc/docker/certs.d/registry/ca.crt",
                                   "etc/containerd/config.toml",
                                   "etc/default/docker",
                                   "usr/lib/systemd/system/docker.service",
                                   "usr/lib/systemd/system/docker.socket",
                                   "usr/lib/systemd/system/containerd.service"};
// Beside Docker, as on a node with some software.
constexpr int kPackages = 600;
constexpr int kFilesOfAPackage = 150;

Bytes Sign(EVP_PKEY* key, ByteView digest) {
  const CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(key, nullptr));
  Bytes signature(256);
  std::size_t size = signature.size();
  if (EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
    Give("signing the baseline");
  }
  signature.resize(size);
  return signature;
}

}  // namespace

BaselineScan::BaselineScan(std::string ctl) : ctl_(std::move(ctl)) {
  for (const auto& [path, size] : kPrograms) Put(path, size, true);
  for (const char* path : kOthers) Put(path, 500, false);
  MakeDpkgDatabase();
  Record();
}

void BaselineScan::Put(const std::string& path, std::size_t size, bool executable) const {
  namespace fs = std::filesystem;
  const fs::path file = root_.path() / "node" / path;
  fs::create_directories(file.parent_path());
  std::string piece(std::min(size, std::size_t{1} << 20), '\0');
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>(i * i >> 7 & 0x7f);
  std::ofstream stream(file, std::ios::binary);
  for (std::size_t left = size; left > 0; left -= std::min(left, piece.size())) {
    stream.write(piece.data(), static_cast<std::streamsize>(std::min(left, piece.size())));
  }
  if (!stream.flush()) Give("writing " + file.string());
  if (executable) fs::permissions(file, fs::perms::others_exec, fs::perm_options::add);
}

void BaselineScan::MakeDpkgDatabase() const {
  const std::string folder = root_ / "node/var/lib/dpkg/";
  std::filesystem::create_directories(folder + "info");
  std::ofstream status(folder + "status");
  for (int i = 0; i <= kPackages; ++i) {
    const std::string name = i == 0 ? "docker.io" : "package-" + std::to_string(i);
    status << "Package: " << name << "\nStatus: install ok installed\nVersion: 1." << i
           << "\nDescription: a package\n " << std::string(1000, 'd') << "\n\n";
    std::ofstream list(folder + "info/" + name + ".list");
    if (i == 0) {
      for (const auto& [path, size] : kPrograms) list << "/" << path << "\n";
      continue;
    }
    for (int file = 0; file < kFilesOfAPackage; ++file) {
      list << "/usr/share/doc/" << name << "/a-file-of-it-" << file << "\n";
    }
  }
  if (!status.flush()) Give("writing dpkg's database");
}

void BaselineScan::Record() {
  const std::string node = root_ / "node";
  const integrity::Baseline baseline =
      Must(integrity::RecordBaseline(DeadlineIn(std::chrono::minutes(1)), node, {}), "recording");
  if (baseline.files.size() != std::size(kPrograms) + std::size(kOthers)) {
    Give("not the files that were made");
  }
  for (const auto& [path, attributes] : baseline.files) sha256sum_.push_back(node + "/" + path);
  using Signatures = Result<std::vector<Bytes>>;
  const testing::SoftwareCa ca;
  const tls::EvpPkeyPtr key = testing::NewEcKey();
  const std::string certificate = testing::ToPem(ca.Certify(key.get()).get());
  std::ofstream(root_ / "certificate.pem") << certificate;
  std::ofstream(root_ / "baseline") << Must(
      integrity::SignBaseline(baseline, certificate,
                              [&](verify::ImaHash, std::span<const Bytes> digests) -> Signatures {
                                return std::vector<Bytes>{Sign(key.get(), digests.front())};
                              }),
      "signing");
}

void BaselineScan::Compare() const {
  Run({ctl_, "integrity", "compare-baseline", root_ / "baseline", "--certificate",
       root_ / "certificate.pem", "--root", root_ / "node"},
      {}, root_ / "log");
}

void BaselineScan::Sha256sum() const { Run(sha256sum_, {}, root_ / "log"); }

}  // namespace seaworthy::bench
