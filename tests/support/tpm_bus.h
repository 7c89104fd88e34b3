// The bus between a program and its software TPM: hears all that passes, and can meddle.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/handle.h"
#include "support/temp_root.h"

namespace seaworthy::testing {

class TpmBus {
 public:
  // Sends a command to the TPM; its response.
  using Tpm = std::function<Bytes(const Bytes& command)>;
  // What the program gets for a command, whose code (TPM_CC) comes first.
  using Meddler = std::function<Bytes(std::uint32_t code, const Bytes& command, const Tpm& tpm)>;

  // `tpm` as SwTpm::tcti() has it. One connection at a time, as swtpm has it.
  explicit TpmBus(const std::string& tpm);
  ~TpmBus();
  TpmBus(const TpmBus&) = delete;
  TpmBus& operator=(const TpmBus&) = delete;

  std::string tcti() const;
  void Meddle(Meddler meddler);
  // Commands and responses since the last call, as the program sent and got them.
  Bytes TakeHeard();
  // Codes of the commands since the last call.
  std::vector<std::uint32_t> TakeCommands();

 private:
  void Serve();
  void Relay(int program);
  Bytes Answer(const Bytes& command, const Tpm& tpm);

  TempRoot root_;
  const std::string tpm_path_;
  UniqueFd listener_;
  UniqueFd end_read_, end_write_;  // closed to end
  std::mutex mutex_;
  Meddler meddler_;
  Bytes heard_;
  std::vector<std::uint32_t> commands_;
  std::thread thread_;
};

}  // namespace seaworthy::testing
