// The golden captures in tests/data/captures, read as evidence.
#pragma once

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "seaworthy/verify.h"

namespace seaworthy::verify {

inline Bytes ReadCapture(const std::string& folder, const std::string& file) {
  const std::string path = std::string(TEST_DATA "/captures/") + folder + "/" + file;
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline void Write(const std::string& path, ByteView content) {
  std::ofstream stream(path, std::ios::binary);
  stream << AsText(content);
  ASSERT_TRUE(stream.flush()) << path;
}

// tpm2-tools' "serialized" PCRs are tss2's structures as they lie in memory.
inline std::vector<PcrValue> ReadPcrs(const Bytes& file) {
  TPML_PCR_SELECTION selections = {};
  UINT32 lists = 0;
  std::vector<Bytes> digests;
  std::size_t at = 0;
  const auto take = [&](auto& structure) {
    ASSERT_LE(at + sizeof(structure), file.size());
    std::memcpy(&structure, file.data() + at, sizeof(structure));
    at += sizeof(structure);
  };
  take(selections);
  take(lists);
  for (UINT32 i = 0; i < lists; ++i) {
    TPML_DIGEST list = {};
    take(list);
    for (UINT32 j = 0; j < list.count; ++j) {
      const TPM2B_DIGEST& digest = list.digests[j];
      digests.emplace_back(digest.buffer, digest.buffer + digest.size);
    }
  }
  EXPECT_EQ(at, file.size());
  std::vector<PcrValue> values;
  for (UINT32 i = 0; i < selections.count; ++i) {
    const TPMS_PCR_SELECTION& selection = selections.pcrSelections[i];
    for (std::uint32_t pcr = 0; pcr < selection.sizeofSelect * 8U; ++pcr) {
      if ((selection.pcrSelect[pcr / 8] >> pcr % 8 & 1) == 0) continue;
      values.push_back({selection.hash, pcr, digests.at(values.size())});
    }
  }
  EXPECT_EQ(values.size(), digests.size());
  return values;
}

struct Capture {
  Evidence evidence;
  Bytes nonce;
  EnrolledKey ak;
};

inline Capture ReadQuote(const std::string& folder, const std::string& name = "quote") {
  std::string nonce(AsText(ReadCapture(folder, "nonce.hex")));
  nonce.erase(nonce.find_last_not_of('\n') + 1);
  return {.evidence = {.ak_public = ReadCapture(folder, "ak.pub.tpmt"),
                       .quoted = ReadCapture(folder, name + ".msg"),
                       .signature = ReadCapture(folder, name + ".sig"),
                       .pcrs = ReadPcrs(ReadCapture(folder, name + ".pcrs"))},
          .nonce = ParseHex(nonce).value(),
          .ak = {ReadCapture(folder, "ak.name")}};
}

inline const std::vector<std::string>& SwtpmFolders() {
  static const std::vector<std::string> folders = {"swtpm-ecdsa-p256", "swtpm-ecdsa-p384",
                                                   "swtpm-rsassa-2048", "swtpm-rsapss-2048"};
  return folders;
}

inline const std::vector<std::string>& GuestFolders() {
  static const std::vector<std::string> folders = {
      "ovmf-direct",          "ovmf-secureboot-uki",     "seabios-direct",
      "seabios-template-ima", "seabios-template-ima-ng", "seabios-selinux-mixed-policy"};
  return folders;
}

// A folder's name as GTest takes one for a parameter.
inline std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

}  // namespace seaworthy::verify
