#include "ctl/enrolment_files.h"

#include <algorithm>
#include <filesystem>

#include "ctl/text.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSecretLine = "secret: ";
constexpr std::size_t kMaxCertificateFile = 4 * 1024 * 1024;
constexpr std::size_t kMaxFiles = 10'000;

Status Unusable(std::string_view what) { return Fail(Code::kInvalidArgument, "USAGE", what); }

bool IsCertificateFile(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension == ".pem" || extension == ".crt" || extension == ".cer" || extension == ".der";
}

Result<std::vector<std::string>> CertificateFiles(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> files;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    if (files.size() == kMaxFiles) return Unusable(folder + " has more than 10000 files");
    if (IsCertificateFile(at->path())) files.push_back(at->path().string());
  }
  if (error) return FromErrno(error.value(), "read the folder " + folder);
  std::ranges::sort(files);
  return files;
}

Result<std::vector<Bytes>> ReadCertificates(const std::string& path) {
  ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, kMaxCertificateFile));
  return verify::ParseCertificates(file);
}

}  // namespace

std::string FormatPending(const Pending& pending) {
  return std::string(kSecretLine) + Hex(pending.secret) + "\n" + pending.ak;
}

Result<Pending> ParsePending(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (!text.starts_with(kSecretLine) || end == std::string_view::npos) {
    return Unusable(
        "does not begin with a line \"secret: HEX\"; enrol challenge writes such a file");
  }
  Result<Bytes> secret = ParseHex(text.substr(kSecretLine.size(), end - kSecretLine.size()));
  if (!secret.ok()) return Wrap(secret.status(), "the line \"secret:\"");
  if (secret->empty()) return Unusable("has an empty secret");
  return Pending{*std::move(secret), std::string(text.substr(end + 1))};
}

Result<Bytes> ParseAnswer(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return ParseHex(text);
}

Result<verify::VendorCertificates> ReadVendorCertificates(const std::string& folder,
                                                          std::ostream& warnings) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, CertificateFiles(folder));
  verify::VendorCertificates vendors;
  for (const std::string& file : files) {
    Result<std::vector<Bytes>> read = ReadCertificates(file);
    if (!read.ok()) {
      warnings << "seaworthyctl: left out " << Printable(file) << ": "
               << Printable(Message(read.status())) << "\n";
      continue;
    }
    std::ranges::move(*read, std::back_inserter(vendors));
  }
  if (vendors.empty()) {
    return Unusable(folder + " has no certificate in a .pem, .crt, .cer or .der file");
  }
  return vendors;
}

Status AddCertificate(const std::string& path, verify::Endorsement& endorsement) {
  Result<std::vector<Bytes>> read = ReadCertificates(path);
  if (!read.ok()) return Wrap(read.status(), path);
  for (verify::EndorsementKey& key : endorsement.keys) {
    if (key.certificate.empty()) key.certificate = read->front();
  }
  std::ranges::copy(read->begin() + 1, read->end(), std::back_inserter(endorsement.chain));
  return {};
}

}  // namespace seaworthy::ctl
