// Boot logs made by hand, and the captured ones.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <tss2/tss2_tpm2_types.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "seaworthy/boot_log.h"
#include "unit/verify/captures.h"
#include "verify/boot_event_types.h"

namespace seaworthy::verify {

inline Bytes ToBytes(std::string_view text) { return {text.begin(), text.end()}; }

inline Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Little-endian, `size` bytes.
inline Bytes Le(std::uint64_t number, std::size_t size) {
  Bytes bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(number >> 8 * i & 0xff));
  }
  return bytes;
}

// ASCII as UTF-16, without a NUL.
inline Bytes Utf16(std::string_view text) {
  Bytes bytes;
  for (const char c : text) bytes.insert(bytes.end(), {static_cast<std::uint8_t>(c), 0});
  return bytes;
}

// "8be4df61-..." as it lies in memory.
inline Bytes Guid(std::string_view text) {
  std::string hex;
  for (const char c : text) {
    if (c != '-') hex += c;
  }
  Bytes guid = ParseHex(hex).value();
  std::reverse(guid.begin(), guid.begin() + 4);
  std::reverse(guid.begin() + 4, guid.begin() + 6);
  std::reverse(guid.begin() + 6, guid.begin() + 8);
  return guid;
}

inline constexpr std::string_view kGlobal = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
inline constexpr std::string_view kSecurityDatabase = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

// UEFI_VARIABLE_DATA.
inline Bytes Variable(std::string_view guid, std::string_view name, const Bytes& value) {
  return Join({Guid(guid), Le(name.size(), 8), Le(value.size(), 8), Utf16(name), value});
}

// UEFI_IMAGE_LOAD_EVENT.
inline Bytes Image(const Bytes& path) {
  return Join({Le(0x1000, 8), Le(4096, 8), Le(0, 8), Le(path.size(), 8), path});
}

inline Bytes PathNode(std::uint8_t type, std::uint8_t subtype, const Bytes& data) {
  return Join({{type, subtype}, Le(data.size() + 4, 2), data});
}

inline Bytes EndOfPath() { return PathNode(0x7f, 0xff, {}); }

inline Bytes FilePath(std::string_view path) {
  return Join({PathNode(4, 4, Join({Utf16(path), {0, 0}})), EndOfPath()});
}

// The hash of a bank, by OpenSSL; ones for a bank it has no name for.
inline Bytes HashIn(const BootBank& bank, const Bytes& data) {
  const char* name = bank.bank == TPM2_ALG_SHA1     ? "SHA1"
                     : bank.bank == TPM2_ALG_SHA256 ? "SHA2-256"
                     : bank.bank == TPM2_ALG_SHA384 ? "SHA2-384"
                     : bank.bank == TPM2_ALG_SHA512 ? "SHA2-512"
                                                    : nullptr;
  Bytes digest(bank.digest_size, 1);
  std::size_t size = 0;
  if (name != nullptr) {
    EXPECT_EQ(EVP_Q_digest(nullptr, name, nullptr, data.data(), data.size(), digest.data(), &size),
              1);
    EXPECT_EQ(size, digest.size());
  }
  return digest;
}

inline std::vector<BootBank> Banks(std::initializer_list<std::uint16_t> banks) {
  std::vector<BootBank> list;
  for (const std::uint16_t bank : banks) {
    list.push_back({bank, bank == TPM2_ALG_SHA1     ? 20U
                          : bank == TPM2_ALG_SHA384 ? 48U
                          : bank == TPM2_ALG_SHA512 ? 64U
                                                    : 32U});
  }
  return list;
}

// A log's file, event by event.
class LogBuilder {
 public:
  // The crypto-agile form.
  explicit LogBuilder(std::vector<BootBank> banks = Banks({TPM2_ALG_SHA256}))
      : banks_(std::move(banks)) {
    Bytes header = Join({ToBytes({"Spec ID Event03\0", 16}), Le(0, 4), {0, 2, 2, 2}});
    header = Join({header, Le(banks_.size(), 4)});
    for (const BootBank& bank : banks_) {
      header = Join({header, Le(bank.bank, 2), Le(bank.digest_size, 2)});
    }
    header.push_back(0);
    file_ = Sha1Event(0, kEvNoAction, Bytes(20), header);
  }

  // The old form: no header.
  static LogBuilder Old() {
    LogBuilder builder(Banks({TPM2_ALG_SHA1}));
    builder.old_ = true;
    builder.file_.clear();
    return builder;
  }

  // With the digest over `data`, or over `measured`.
  LogBuilder& Add(std::uint32_t pcr, std::uint32_t type, const Bytes& data) {
    return Add(pcr, type, data, data);
  }
  LogBuilder& Add(std::uint32_t pcr, std::uint32_t type, const Bytes& data, const Bytes& measured) {
    if (old_) {
      file_ = Join({file_, Sha1Event(pcr, type, HashIn(banks_.front(), measured), data)});
      return *this;
    }
    file_ = Join({file_, Le(pcr, 4), Le(type, 4), Le(banks_.size(), 4)});
    for (const BootBank& bank : banks_) {
      file_ = Join({file_, Le(bank.bank, 2),
                    type == kEvNoAction ? Bytes(bank.digest_size) : HashIn(bank, measured)});
    }
    file_ = Join({file_, Le(data.size(), 4), data});
    return *this;
  }

  LogBuilder& Separators(const Bytes& value = Bytes(4)) {
    for (std::uint32_t pcr = 0; pcr < 8; ++pcr) Add(pcr, kEvSeparator, value);
    return *this;
  }

  LogBuilder& Locality(std::uint8_t locality) {
    return Add(0, kEvNoAction, Join({ToBytes({"StartupLocality\0", 16}), {locality}}));
  }

  const Bytes& file() const { return file_; }
  BootLog Parse() const { return ParseBootLog(file_).value(); }

 private:
  static Bytes Sha1Event(std::uint32_t pcr, std::uint32_t type, const Bytes& digest,
                         const Bytes& data) {
    return Join({Le(pcr, 4), Le(type, 4), digest, Le(data.size(), 4), data});
  }

  std::vector<BootBank> banks_;
  bool old_ = false;
  Bytes file_;
};

// GuestFolders, and one that has a log and no quote.
inline std::vector<std::string> BootLogFolders() {
  std::vector<std::string> folders = GuestFolders();
  folders.emplace_back("ovmf-secureboot-direct");
  return folders;
}

inline Bytes CapturedFile(const std::string& folder) {
  return ReadCapture(folder, "binary_bios_measurements");
}

inline BootLog CapturedLog(const std::string& folder) {
  return ParseBootLog(CapturedFile(folder)).value();
}

// tpm2_pcrread's output: "  sha256:", then lines of "    7 : 0xABC".
inline std::map<std::pair<std::uint16_t, std::uint32_t>, Bytes> ReadPcrsText(
    const std::string& folder) {
  std::map<std::pair<std::uint16_t, std::uint32_t>, Bytes> pcrs;
  std::istringstream text{std::string(AsText(ReadCapture(folder, "pcrs.txt")))};
  std::uint16_t bank = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.find("sha1:") != line.npos) bank = TPM2_ALG_SHA1;
    if (line.find("sha256:") != line.npos) bank = TPM2_ALG_SHA256;
    if (line.find("sha384:") != line.npos) bank = TPM2_ALG_SHA384;
    if (line.find("sha512:") != line.npos) bank = TPM2_ALG_SHA512;
    const std::size_t hex = line.find("0x");
    if (hex == line.npos) continue;
    pcrs[{bank, static_cast<std::uint32_t>(std::atoi(line.c_str()))}] =
        ParseHex(line.substr(hex + 2)).value();
  }
  return pcrs;
}

// As ParseBootLog takes it: with the old log's header, or in the new form.
inline Bytes WriteLog(const BootLog& log) {
  LogBuilder header(log.banks);
  Bytes file = header.file();
  for (std::size_t i = 1; i < log.events.size(); ++i) {
    const BootEvent& event = log.events[i];
    file = Join({file, Le(event.pcr, 4), Le(event.type, 4), Le(event.digests.size(), 4)});
    for (const auto& [bank, digest] : event.digests) file = Join({file, Le(bank, 2), digest});
    file = Join({file, Le(event.data.size(), 4), event.data});
  }
  return file;
}

inline Bytes PcrOf(const BootReplay& replay, std::uint16_t bank, std::uint32_t index) {
  for (const ReplayedPcr& pcr : replay.pcrs) {
    if (pcr.bank == bank && pcr.index == index) return pcr.digest;
  }
  ADD_FAILURE() << "no PCR " << index << " in bank " << bank;
  return {};
}

}  // namespace seaworthy::verify
