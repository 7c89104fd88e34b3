// Full TLS 1.3 handshakes with client certificates against tls::Front over loopback, once with
// a server key in the TPM and once with one in software.
#pragma once

#include <memory>
#include <string>

namespace seaworthy::bench {

class Handshakes {
 public:
  explicit Handshakes(const std::string& tcti);
  ~Handshakes();

  // From connect to the first byte of the server's owner.
  void WithTpmKey();
  void WithSoftwareKey();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::bench
