// Volumes in files of a temporary folder, with cryptsetup's command line as the judge.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "component/modules/volumes/secrets.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/luks.h"
#include "support/program.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::testing {

inline volumes::FormatOptions SmallHeader() {
  volumes::FormatOptions options;
  options.keyslots_bytes = std::uint64_t{3} << 20;
  return options;
}

inline Bytes ContentOf(const std::string& path) {
  return ReadFile(path, std::size_t{64} << 20).value_or(Bytes());
}

inline void WriteAt(const std::string& path, std::uint64_t offset, std::string_view bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

class LuksTest : public ::testing::Test {
 protected:
  std::string MakeFile(const std::string& name, std::uint64_t mib = 16) const {
    std::ofstream(files_ / name, std::ios::trunc);
    std::filesystem::resize_file(files_ / name, mib << 20);
    return files_ / name;
  }

  // A volume "v" with the key KeyOf(1) and the passphrase "first".
  volumes::Luks MakeVolume(const std::string& name = "v") const {
    Result<volumes::Luks> luks = volumes::Luks::Format(MakeFile(name), KeyOf(1), SmallHeader());
    EXPECT_THAT(luks, IsOk());
    EXPECT_THAT(luks->AddKeyslot(KeyOf(1), Secret("first"), {}), IsOk());
    return *std::move(luks);
  }

  using Output = testing::ProgramOutput;
  static Output RunProgram(const std::string& command) {
    return testing::OutputOf("{ " + command + " ; } 2>&1");
  }

  static bool Succeeds(const std::string& command) { return RunProgram(command).status == 0; }

  // With the word in a file, for command lines.
  std::string KeyFile(std::string_view passphrase) const {
    std::ofstream(files_ / "key-file", std::ios::trunc) << passphrase;
    return files_ / "key-file";
  }

  bool CryptsetupOpens(const std::string& path, std::string_view passphrase,
                       const std::string& options = "") const {
    return Succeeds("cryptsetup luksOpen --test-passphrase " + options + " --key-file - " + path +
                    " <" + KeyFile(passphrase));
  }

  static std::string Dump(const std::string& path) {
    return RunProgram("cryptsetup luksDump " + path).text;
  }

  TempRoot files_;
};

}  // namespace seaworthy::testing
