// PE images made of Debian's by the programs that make and sign them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "seaworthy/bytes.h"
#include "support/temp_root.h"

namespace seaworthy::verify {

inline constexpr const char* kStub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
inline constexpr const char* kBootLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";

inline Bytes ReadAll(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class PeMaker {
 public:
  // Content by section, in the order in which the image has them.
  using Sections = std::vector<std::pair<std::string, std::string>>;

  std::string operator/(std::string_view name) const { return root_ / name; }

  // What `command` says, run in the folder.
  std::string Run(const std::string& command) const {
    const std::string whole = "cd " + root_.path().string() + " && (" + command + ") >log 2>&1";
    EXPECT_EQ(std::system(whole.c_str()), 0) << command;
    const Bytes log = ReadAll(root_ / "log");
    return std::string(AsText(log));
  }

  void MakeKey(const std::string& name) const {
    Run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -keyout " +
        name + ".key -out " + name + ".pem -subj /CN=" + name);
  }

  // A unified kernel image.
  Bytes Uki(const Sections& sections) const {
    std::string options;
    std::size_t address = 0x100000;
    for (const auto& [name, content] : sections) {
      std::ofstream(root_ / ("section" + name), std::ios::binary) << content;
      options += " --add-section " + name + "=section" + name + " --change-section-vma " + name +
                 "=" + std::to_string(address);
      address += content.size() / 0x1000 * 0x1000 + 0x1000;
    }
    Run("objcopy --long-section-names enable" + options + " " + kStub + " uki");
    return ReadAll(root_ / "uki");
  }

  Bytes Signed(const Bytes& image, const std::string& key) const {
    std::ofstream(root_ / "unsigned", std::ios::binary) << AsText(image);
    Run("sbsign --key " + key + ".key --cert " + key + ".pem --output signed unsigned");
    return ReadAll(root_ / "signed");
  }

 private:
  testing::TempRoot root_;
};

}  // namespace seaworthy::verify
