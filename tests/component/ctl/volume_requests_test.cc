// What the options of commands on volumes ask of the daemon, and how they end where it breaks off:
// a small server in this process takes the requests down.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "ctl/cli.h"
#include "seaworthy/v1/volume.grpc.pb.h"
#include "support/temp_root.h"

namespace seaworthy::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempRoot;

class Volumes final : public v1::VolumeService::Service {
 public:
  grpc::Status FormatVolume(grpc::ServerContext*, const v1::FormatVolumeRequest* request,
                            v1::FormatVolumeResponse* response) override {
    response->set_recovery_key("htnutitr");
    return Take(*request);
  }
  grpc::Status EnrolVolume(grpc::ServerContext*, const v1::EnrolVolumeRequest* request,
                           v1::EnrolVolumeResponse*) override {
    return Take(*request);
  }
  grpc::Status AddWayIn(grpc::ServerContext*, const v1::AddWayInRequest* request,
                        v1::AddWayInResponse*) override {
    return Take(*request);
  }
  grpc::Status RefreshVolume(grpc::ServerContext*, const v1::RefreshVolumeRequest* request,
                             v1::RefreshVolumeResponse*) override {
    return Take(*request);
  }
  grpc::Status PredictUpdate(grpc::ServerContext*, const v1::PredictUpdateRequest* request,
                             v1::PredictUpdateResponse*) override {
    return Take(*request);
  }
  grpc::Status OpenVolume(grpc::ServerContext*, const v1::OpenVolumeRequest* request,
                          v1::OpenVolumeResponse* response) override {
    response->set_mapping("/dev/mapper/v");
    return Take(*request);
  }
  grpc::Status CloseVolume(grpc::ServerContext*, const v1::CloseVolumeRequest* request,
                           v1::CloseVolumeResponse* response) override {
    response->set_was_open(true);
    return Take(*request);
  }
  grpc::Status RestoreHeader(grpc::ServerContext*, grpc::ServerReader<v1::RestoreHeaderRequest>* in,
                             v1::AcceptedHeader*) override {
    v1::RestoreHeaderRequest part;
    grpc::Status status;
    while (in->Read(&part)) {
      image += part.part();
      part.clear_part();
      if (parts++ == 0) status = Take(part);
      EXPECT_TRUE(parts == 1 || part.ByteSizeLong() == 0);
    }
    return status;
  }
  // As far as the volume's name says.
  grpc::Status ReencryptVolume(grpc::ServerContext*, const v1::ReencryptVolumeRequest* request,
                               grpc::ServerWriter<v1::ReencryptionProgress>* out) override {
    v1::ReencryptionProgress progress;
    progress.set_recovery_key("htnutitr");
    out->Write(progress);
    progress.Clear();
    progress.set_bytes(4 << 20);
    progress.set_done_bytes(request->name() == "whole" ? 4 << 20 : 1 << 20);
    out->Write(progress);
    return Take(*request);
  }

  std::string taken;
  std::string image;
  int parts = 0;

 private:
  grpc::Status Take(const google::protobuf::Message& message) {
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    printer.PrintToString(message, &taken);
    return grpc::Status::OK;
  }
};

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

class VolumeRequests : public ::testing::Test {
 protected:
  VolumeRequests() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + root_ / "s", grpc::InsecureServerCredentials());
    builder.RegisterService(&volumes_);
    server_ = builder.BuildAndStart();
  }

  Ran RunVolumes(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{in, out, err, false, false, true};
    arguments.insert(arguments.begin(), {"--socket", root_ / "s", "volumes"});
    const int exit = ctl::Run(std::move(arguments), terminal);
    return {exit, out.str(), err.str()};
  }
  // The request that comes of them.
  std::string Asked(const std::vector<std::string>& arguments, const std::string& input = "") {
    volumes_.taken.clear();
    const Ran ran = RunVolumes(arguments, input);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    std::string request = volumes_.taken;
    request.erase(request.find_last_not_of(' ') + 1);
    return request;
  }

  TempRoot root_;
  Volumes volumes_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(VolumeRequests, SayHowAVolumeIsMade) {
  EXPECT_EQ(Asked({"format", "v", "/d", "--yes"}),
            R"(name: "v" device: "/d" ways_in { policy { pcrs { bank: SHA256 indices: 7 } } } )"
            R"(mapping_options { })");
  std::ofstream(root_ / "pem") << "a key\n";
  EXPECT_EQ(Asked({"format",
                   "v",
                   "/d",
                   "--yes",
                   "--destroy",
                   "--label",
                   "l",
                   "--sector-size",
                   "4096",
                   "--signed-pcrs",
                   "11",
                   "--policy-key",
                   root_ / "pem",
                   "--pin",
                   "--stdin",
                   "--legacy-parent",
                   "--open-at-start",
                   "--allow-discards",
                   "--read-only",
                   "--no-read-workqueue",
                   "--no-write-workqueue",
                   "--recovery-certificate",
                   root_ / "pem",
                   "--recovery-certificate",
                   root_ / "pem"},
                  "1234\n"),
            R"(name: "v" device: "/d" label: "l" destroy: true ways_in { policy { signed_pcrs { )"
            R"(public_key_pem: "a key\n" pcrs { bank: SHA256 indices: 11 } } pin: true )"
            R"(legacy_parent: true } pin: "1234" } sector_size: 4096 open_at_start: true )"
            R"(mapping_options { read_only: true allow_discards: true no_read_workqueue: true )"
            R"(no_write_workqueue: true } recovery_certificates_pem: "a key\na key\n")");

  EXPECT_EQ(Asked({"enrol", "v", "/d", "--passphrase", "--pin", "--stdin", "--pcrs", "sha1:1"},
                  "the passphrase\n1234\n"),
            R"(name: "v" device: "/d" secret { passphrase: "the passphrase" } ways_in { policy { )"
            R"(pcrs { bank: SHA1 indices: 1 } pin: true } pin: "1234" } mapping_options { })");
  // Clevis' policy is for the daemon to find.
  EXPECT_EQ(Asked({"enrol", "v", "/d", "--replace-clevis", "--unguarded"}),
            R"(name: "v" device: "/d" secret { unguarded: true } replace_clevis: true )"
            R"(mapping_options { })");
}

TEST_F(VolumeRequests, SayWhatOpensAndWhatWillBeBooted) {
  EXPECT_EQ(
      Asked({"add", "v", "--current-pin", "--stdin", "--ahead-file", "\\EFI\\a.efi=/boot/a:/boot/b",
             "--ahead-file", "\\x=:/boot/c", "--ahead-command-line", "root=/dev/sda quiet",
             "root=/dev/sdb", "--ahead-variable", "db=/boot/db", "--ahead-phase", "enter-initrd"},
            "0000\n"),
      R"(name: "v" secret { pin: "0000" } tpm { policy { pcrs { bank: SHA256 indices: 7 } } )"
      R"(ahead { files { path: "\\EFI\\a.efi" before: "/boot/a" after: "/boot/b" } )"
      R"(files { path: "\\x" after: "/boot/c" } command_line { before: )"
      R"("root=/dev/sda quiet" after: "root=/dev/sdb" } variables { name: "db" file: )"
      R"("/boot/db" } phases: "enter-initrd" } })");
  EXPECT_EQ(Asked({"predict", "--pcrs", "sha256:4", "--ahead-phase", "x"}),
            R"(pcrs { bank: SHA256 indices: 4 } update { phases: "x" })");

  EXPECT_EQ(Asked({"refresh", "v", "--recovery-key", "--pin", "--stdin", "--keep-old"},
                  "htnutitr\n1234\n"),
            R"(name: "v" secret { recovery_key: "htnutitr" } keep_old: true pin: "1234")");
  EXPECT_EQ(Asked({"refresh", "v", "--pin", "--stdin", "--unexplained"}, "1234\n"),
            R"(name: "v" secret { pin: "1234" } unexplained: true pin: "1234")");
  EXPECT_EQ(Asked({"open", "v"}), R"(name: "v" secret { })");
  EXPECT_EQ(Asked({"close", "v", "--deferred"}), R"(name: "v" deferred: true)");
  EXPECT_EQ(RunVolumes({"open", "v"}).out, "opened: /dev/mapper/v\n");
  EXPECT_EQ(RunVolumes({"close", "v"}).out, "closed\n");
}

TEST_F(VolumeRequests, AHeaderGoesInParts) {
  std::string image(1'000'000, 'i');
  image += "end";
  std::ofstream(root_ / "image") << image;
  EXPECT_EQ(Asked({"restore-header", "v", "--image", root_ / "image", "--recovery-key", "--stdin",
                   "--over-other-volume"},
                  "htnutitr\n"),
            R"(name: "v" secret { recovery_key: "htnutitr" } over_other_volume: true)");
  EXPECT_EQ(volumes_.image, image);
  EXPECT_GT(volumes_.parts, 2);
}

TEST_F(VolumeRequests, ANewRecoveryKeyIsToldOnceWhereItIsWanted) {
  const Ran shown = RunVolumes({"reencrypt", "whole"});
  EXPECT_EQ(shown.exit, 0) << shown.err;
  EXPECT_THAT(shown.err, HasSubstr("\n    htnutitr\n"));
  EXPECT_THAT(shown.err, HasSubstr("4.0 of 4.0 MiB, 100.0 %"));
  EXPECT_EQ(shown.out, "all 4194304 bytes are encrypted with a new key\n");

  const Ran paused = RunVolumes({"reencrypt", "part", "--output", "json"});
  EXPECT_EQ(paused.exit, 1);
  EXPECT_THAT(paused.err, AllOf(HasSubstr("REENCRYPTION_PAUSED"), Not(HasSubstr("htnutitr"))));
  std::istringstream lines(paused.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line)["recovery_key"], "aHRudXRpdHI=");
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line)["done_bytes"], "1048576");

  const Ran file = RunVolumes(
      {"format", "v", "/d", "--yes", "--recovery-file", root_ / "key", "--output", "json"});
  EXPECT_EQ(file.exit, 0) << file.err;
  EXPECT_EQ(nlohmann::json::parse(file.out)["recovery_key"], "");
  EXPECT_EQ(std::filesystem::file_size(root_ / "key"), 9U);
  // It cannot be written there again, and so it is not made.
  volumes_.taken.clear();
  EXPECT_EQ(RunVolumes({"reencrypt", "whole", "--recovery-file", root_ / "key"}).exit, 2);
  EXPECT_EQ(volumes_.taken, "");
}

}  // namespace
}  // namespace seaworthy::ctl
