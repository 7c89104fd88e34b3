#include "ctl/recovery_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "ctl/integrity_files.h"
#include "ctl/secret_input.h"
#include "seaworthy/directory.h"

namespace seaworthy::ctl {
namespace {

constexpr mode_t kSecretMode = 0600;

}  // namespace

RecoveryOutput::~RecoveryOutput() {
  if (file_ && !written_) unlink(options_.file.c_str());
}

Outcome RecoveryOutput::Prepare(std::string& certificates_pem) {
  for (const std::string& path : options_.certificates) {
    const Result<std::string> pem = ReadPem(path);
    if (!pem.ok()) return Usage(pem.status());
    certificates_pem += *pem;
    if (!pem->ends_with('\n')) certificates_pem += '\n';
  }
  if (!options_.file.empty()) {
    file_ =
        UniqueFd(open(options_.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kSecretMode));
    if (!file_) return Usage(FromErrno(errno, "--recovery-file: create " + options_.file));
    return {};
  }
  if (options_.certificates.empty() && !session_.terminal().progress && !session_.json()) {
    return Usage(
        "there is no terminal to show the recovery key on; give --recovery-file FILE or "
        "--recovery-certificate FILE");
  }
  return {};
}

Status RecoveryOutput::WriteFile(std::string_view text, std::string_view end) {
  for (std::string_view rest : {text, end}) {
    while (!rest.empty()) {
      const ssize_t size = write(file_.get(), rest.data(), rest.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return FromErrno(errno, "write " + options_.file);
      rest.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  if (fsync(file_.get()) != 0) return FromErrno(errno, "fsync " + options_.file);
  written_ = true;
  return {};
}

void RecoveryOutput::Show(std::string_view recovery_key) {
  session_.terminal().err
      << "The recovery key, shown this once. Whoever has it opens the volume on "
         "any machine:\n\n    "
      << recovery_key << "\n\n"
      << std::flush;
}

Outcome RecoveryOutput::Deliver(std::string& recovery_key, std::string& cms_pem) {
  if (recovery_key.empty() && cms_pem.empty()) return {};
  Terminal& terminal = session_.terminal();
  if (!file_) {
    if (session_.json()) return {};
    if (recovery_key.empty()) {
      terminal.out << PrintableLines(cms_pem);
    } else {
      Show(recovery_key);
    }
    return {};
  }
  const Status written =
      recovery_key.empty() ? WriteFile(cms_pem, "") : WriteFile(recovery_key, "\n");
  if (!written.ok()) {
    if (terminal.progress && !recovery_key.empty()) Show(recovery_key);
    return Usage(Wrap(written, "the volume has a recovery key that could not be written"));
  }
  if (!session_.json()) {
    terminal.out << "wrote the recovery key to " << Printable(options_.file) << "\n";
  }
  Cleanse(recovery_key);
  cms_pem.clear();
  return {};
}

}  // namespace seaworthy::ctl
