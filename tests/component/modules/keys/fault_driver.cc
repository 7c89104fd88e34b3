// Runs one change of the key "web" with a fault armed; faults_test.cc starts it.
//
//   keys_fault_driver TCTI STATE_DIR create|rotate|install|delete|start FAULT NTH [CHAIN]
//
// Exits with 0 when done, 3 after an error DISK_FULL, 4 after another one; plus 10 when the
// fault has struck.
#include <cstdio>
#include <cstdlib>

#include "component/modules/keys/keys_node.h"
#include "support/fault_points.h"

namespace seaworthy::testing {
namespace {

Status Change(KeysNode& node, const std::string& change, const std::string& chain_file) {
  const Deadline deadline = DeadlineIn(std::chrono::seconds(60));
  if (change == "start") return node.Start();
  if (change == "create") return node.keys().Create(deadline, "web", {}).status();
  if (change == "delete") return node.keys().Delete("web");
  if (change == "rotate") {
    const tls::Subject subject = {
        .distinguished_name = "CN=x", .dns_names = {}, .ip_addresses = {}, .uris = {}};
    return node.keys().Rotate(deadline, "web", subject).status();
  }
  const Result<Bytes> chain = ReadFile(chain_file, tls::kMaxChainBytes);
  if (!chain.ok()) return chain.status();
  return node.keys().InstallCertificate("web", std::string(AsText(*chain))).status();
}

int Run(const std::vector<std::string>& arguments) {
  KeysNode node(arguments[1], arguments[2]);
  const std::string& change = arguments[3];
  // The TPM is open before the fault is armed.
  const Status open = node.broker().Run(DeadlineIn(std::chrono::seconds(60)),
                                        [](tpm::Context&) { return Status(); });
  const Status started = open.ok() && change != "start" ? node.Start() : open;
  if (!started.ok()) {
    std::fprintf(stderr, "not started: %s\n", started.ToString().c_str());
    return 2;
  }
  ArmFault(static_cast<Fault>(std::atoi(arguments[4].c_str())), std::atoi(arguments[5].c_str()));
  const Status status = Change(node, change, arguments.size() > 6 ? arguments[6] : "");
  const bool full = status.code() == Code::kResourceExhausted && Reason(status) == "DISK_FULL";
  if (!status.ok() && !full) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return (status.ok() ? 0 : full ? 3 : 4) + (FaultStruck() ? 10 : 0);
}

}  // namespace
}  // namespace seaworthy::testing

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() < 6) return 2;
  return seaworthy::testing::Run(arguments);
}
