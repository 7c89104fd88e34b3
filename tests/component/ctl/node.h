// seaworthyd as an operator runs it, on a software TPM of its own, and seaworthyctl to ask it.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "component/ctl/program.h"
#include "support/sw_tpm.h"

namespace seaworthy::testing {

using Words = std::vector<std::string>;

class Node {
 public:
  explicit Node(SwTpm::Maker maker = SwTpm::Maker::kNone) : tpm_(maker) {
    std::ofstream(root_ / "config.toml")
        << "[node]\nstate_dir = \"" << root_ / "state" << "\"\n[tpm]\ntcti = \"" << tpm_.tcti()
        << "\"\n[local]\nadmin_socket = \"" << root_ / "admin/s" << "\"\nread_socket = \""
        << root_ / "read/s" << "\"\nread_group = \"\"\n[attestation]\nboot_log = \""
        << root_ / "boot_log" << "\"\nima_list = \"" << root_ / "ima_list"
        << "\"\n[docker]\nhardener_socket = \"" << root_ / "hardener.sock"
        << "\"\n[audit]\nfile = \"" << root_ / "audit/log" << "\"\n";
    Begin();
  }
  ~Node() { End(); }

  // Ends the daemon, and begins it again after `work`, which has the TPM to itself.
  void Restart(const std::function<void()>& work) {
    End();
    work();
    Begin();
  }

  Ran Ctl(Words arguments, const std::string& socket = "admin/s") const {
    arguments.insert(arguments.begin(), {SEAWORTHYCTL, "--socket", root_ / socket});
    return RunProgram(arguments);
  }
  nlohmann::json Json(Words arguments) const {
    arguments.insert(arguments.end(), {"--output", "json"});
    const Ran ran = Ctl(std::move(arguments));
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return nlohmann::json::parse(ran.out, nullptr, false);
  }
  std::string operator/(std::string_view name) const { return root_ / name; }
  const SwTpm& tpm() const { return tpm_; }

 private:
  void Begin() {
    pid_ = Start({SEAWORTHYD, "--config", root_ / "config.toml"}, root_ / "out", root_ / "err");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (Ctl({"status"}).exit != 0) {
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "seaworthyd did not start: " << Content(root_ / "err");
        break;
      }
      poll(nullptr, 0, 20);
    }
  }
  void End() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  TempRoot root_;
  SwTpm tpm_;
  pid_t pid_ = -1;
};

}  // namespace seaworthy::testing
