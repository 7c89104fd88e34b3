#include "support/sw_tpm.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace seaworthy::testing {
namespace {

// Whether a listener is bound: seen in the socket's existence and a connect that is accepted
// by the kernel. The connection is closed at once, which swtpm takes as a client that left.
bool Listens(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const bool listens =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return listens;
}

}  // namespace

SwTpm::SwTpm(Maker maker) : maker_(maker) {
  Manufacture();
  Start();
}

SwTpm::~SwTpm() { Kill(); }

std::string SwTpm::tcti() const { return "swtpm:path=" + (root_ / "socket"); }

void SwTpm::Manufacture() {
  std::filesystem::create_directories(root_ / "state");
  if (maker_ == Maker::kNone) return;
  std::filesystem::create_directories(ca_folder());
  const std::string ca = ca_folder();
  const std::ofstream no_options(root_ / "ca.options");
  std::ofstream(root_ / "ca.conf")
      << "statedir = " << ca << "\nsigningkey = " << ca << "/signkey.pem\nissuercert = " << ca
      << "/issuercert.pem\ncertserial = " << ca << "/serial\n";
  std::ofstream(root_ / "setup.conf")
      << "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = "
      << root_ / "ca.conf" << "\ncreate_certs_tool_options = " << root_ / "ca.options" << "\n";
  // As root it would become the user tss, who may not write here.
  const std::string as_root = getuid() == 0 ? " --runas root" : "";
  const std::string line = "swtpm_setup --tpm2 --tpmstate '" + root_ / "state" +
                           "' --create-ek-cert --pcr-banks sha256 --not-overwrite --config '" +
                           root_ / "setup.conf" + "'" + as_root + " >'" + root_ / "setup.log" +
                           "' 2>&1";
  if (std::system(line.c_str()) != 0) {
    std::fprintf(stderr, "swtpm_setup failed (is the package swtpm-tools installed?)\n");
    std::abort();
  }
}

void SwTpm::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void SwTpm::Start() {
  const std::string socket_path = root_ / "socket";
  const std::string state = root_ / "state";
  std::filesystem::remove(socket_path);
  const std::string server = "type=unixio,path=" + socket_path;
  // Where tss2's swtpm TCTI looks for the control channel.
  const std::string control = "type=unixio,path=" + socket_path + ".ctrl";
  const std::string tpmstate = "dir=" + state;
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log = open((root_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execlp("swtpm", "swtpm", "socket", "--tpm2", "--server", server.c_str(), "--ctrl",
           control.c_str(), "--tpmstate", tpmstate.c_str(), "--flags",
           "not-need-init,startup-clear", nullptr);
    _exit(127);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!Listens(socket_path)) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_ || std::chrono::steady_clock::now() > deadline) {
      std::fprintf(stderr, "swtpm did not start (is the package swtpm installed?)\n");
      std::abort();
    }
    poll(nullptr, 0, 2);
  }
}

void SwTpm::Replace() {
  Kill();
  std::filesystem::remove_all(root_ / "state");
  Manufacture();
  Start();
}

void SwTpm::Pause() const { kill(pid_, SIGSTOP); }

void SwTpm::Resume() const { kill(pid_, SIGCONT); }

}  // namespace seaworthy::testing
