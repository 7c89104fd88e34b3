// seaworthyd as a process of its own.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/handle.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/v1/key.grpc.pb.h"
#include "seaworthy/v1/node.grpc.pb.h"
#include "seaworthy/v1/volume.grpc.pb.h"
#include "support/temp_root.h"

namespace seaworthy::bench {

class Daemon {
 public:
  Daemon(std::string program, const std::string& tcti);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // From fork to READY=1, as systemd would measure it.
  std::chrono::nanoseconds Start();
  // From fork until `count` volumes that are to be opened at the start were unlocked. They are
  // files and cannot be mapped, which is looked at after all else.
  std::chrono::nanoseconds StartAndUnlock(int count);
  // SIGTERM, and waits for the end.
  void Stop();

  double ResidentMib() const;

  // What it takes for the firmware's and the kernel's; not there unless somebody writes them.
  std::string boot_log() const { return root_ / "boot_log"; }
  std::string ima_list() const { return root_ / "ima_list"; }

  // A volume in a file, to be opened at each start.
  void FormatVolume(const std::string& name);

  // Calls over the admin socket; the key is made when it is not there.
  void CreateKey(const std::string& name, v1::KeyAlgorithm algorithm = v1::EC_P256);
  Bytes Sign(const std::string& name, ByteView sha256);
  // As files are signed: RSA PKCS#1 v1.5 or ECDSA.
  std::vector<Bytes> SignBatch(const std::string& name, v1::SignatureScheme scheme,
                               std::span<const Bytes> sha256s);
  std::string PublicKeyPem(const std::string& name);
  void Quote();
  // Evidence with the IMA list from an entry of that boot on; the boot that it is of.
  std::uint32_t Attest(std::uint64_t ima_first, std::uint32_t reset_count);
  // The least that a gRPC call over the socket can cost: it asks for nothing.
  void CheckHealth();

 private:
  const std::string program_;
  testing::TempRoot root_;
  UniqueFd notify_;
  pid_t pid_ = -1;
  std::unique_ptr<v1::KeyService::Stub> keys_;
  std::unique_ptr<v1::NodeService::Stub> node_;
  std::unique_ptr<v1::VolumeService::Stub> volumes_;
  std::unique_ptr<v1::AttestationService::Stub> attestation_;
  std::unique_ptr<grpc::GenericStub> generic_;
};

}  // namespace seaworthy::bench
