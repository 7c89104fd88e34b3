// A broker on a software TPM of its own, and other programs' view of that TPM.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "seaworthy/directory.h"
#include "seaworthy/tpm/properties.h"
#include "seaworthy/tpm/quote.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::tpm {

class TpmTest : public ::testing::Test {
 protected:
  explicit TpmTest(testing::SwTpm::Maker maker = testing::SwTpm::Maker::kNone) : swtpm_(maker) {
    Reopen();
  }

  void Reopen() {
    broker_.reset();
    broker_ = std::make_unique<Broker>(
        Broker::Options{.tcti = swtpm_.tcti(), .state_dir = root_ / "tpm", .on_change = {}});
  }

  static Deadline Soon() { return DeadlineIn(std::chrono::seconds(20)); }

  template <class Turn>
  auto Run(Turn&& turn) {
    return broker_->Run(Soon(), std::forward<Turn>(turn));
  }

  Result<WrappedKey> Make(KeyTemplate key_template) {
    return Run([&](Context& context) { return CreateKey(context, key_template); });
  }

  // Runs a shell command with the TPM to itself: swtpm serves one connection at a time.
  bool Shell(const std::string& command) {
    broker_->Close();
    const std::string line = "cd " + root_.path().string() + " && TPM2TOOLS_TCTI='" +
                             swtpm_.tcti() + "' sh -ec '" + command + "' >shell.log 2>&1";
    return std::system(line.c_str()) == 0;
  }

  std::string FileText(const std::string& name) {
    const Result<Bytes> content = ReadFile(root_ / name, 1 << 20);
    return content.ok() ? std::string(AsText(*content)) : std::string();
  }

  testing::TempRoot root_;
  testing::SwTpm swtpm_;
  std::unique_ptr<Broker> broker_;
};

}  // namespace seaworthy::tpm
