// The privileged program, asked by the daemon's side and by one that was taken over. On a machine
// without a device mapper it goes as far as there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <array>
#include <filesystem>

#include "component/modules/volumes/luks_fixture.h"
#include "component/modules/volumes/mapper_program.h"
#include "modules/volumes/mapper_protocol.h"
#include "modules/volumes/mapper_socket.h"
#include "seaworthy/modules/volumes/active_volume.h"
#include "seaworthy/modules/volumes/mapping.h"
#include "unit/modules/volumes/header_image.h"

namespace seaworthy::testing {
namespace {

using ::testing::HasSubstr;
using volumes::HeaderCopy;
using volumes::HeaderImage;
using volumes::Mapper;
using volumes::MapperRequest;

constexpr char kName[] = "seaworthy-test";

Deadline Soon() { return DeadlineIn(std::chrono::seconds(30)); }

bool HasDeviceMapper() { return std::filesystem::exists("/sys/class/misc/device-mapper"); }

class MapperTest : public LuksTest {
 protected:
  void TearDown() override {
    for (const std::string& device : attached_) RunProgram("losetup -d " + device);
  }

  // The file as a block device; empty where this machine does not let us.
  std::string Attach(const std::string& path) {
    Output output = RunProgram("losetup -f --show " + path);
    if (output.status != 0) return "";
    output.text.pop_back();
    attached_.push_back(output.text);
    return output.text;
  }

  static MapperRequest ToOpen(const std::string& device = "/dev/null") {
    MapperRequest request;
    request.name = kName;
    request.device = device;
    request.volume_key = KeyOf(1);
    return request;
  }

  // What the program answers to this packet.
  static Status Answer(ByteView packet, int fd = -1) {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    const UniqueFd ours(ends[0]);
    UniqueFd its(ends[1]);
    const pid_t pid = StartMapper(its.get());
    its.reset();
    EXPECT_THAT(volumes::SendPacket(ours.get(), Soon(), packet, fd), IsOk());
    const auto received = volumes::ReceivePacket(ours.get(), Soon());
    EXPECT_THAT(received, IsOk());
    EXPECT_EQ(ExitOf(pid), 1);
    const auto answer = volumes::ParseMapperAnswer(received->bytes.view());
    EXPECT_THAT(answer, IsOk());
    return Fail(answer->code, answer->reason, answer->message);
  }
  static Status Answer(const MapperRequest& request, int fd = -1) {
    return Answer(volumes::ToPacket(request)->view(), fd);
  }

  const std::string socket_ = files_ / "mapper.sock";
  std::vector<std::string> attached_;
};

TEST_F(MapperTest, MapsAVolume) {
  MakeVolume();
  const std::string device = Attach(files_ / "v");
  if (device.empty()) return;
  const MapperSocket listening(socket_);
  const Mapper mapper(socket_);
  const auto header = HeaderCopy::Take(device);
  ASSERT_THAT(header, IsOk());
  EXPECT_THAT(mapper.Open(Soon(), *header, kName, KeyOf(2), {}),
              Fails(Code::kPermissionDenied, "VOLUME_KEY_WRONG"));
  const Status opened = mapper.Open(Soon(), *header, kName, KeyOf(1), {});
  if (!HasDeviceMapper()) {
    EXPECT_THAT(opened, Fails(Code::kFailedPrecondition, "DEVICE_MAPPER_MISSING"));
    return;
  }
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(volumes::FindActive(header->header().uuid), IsOk());
  EXPECT_THAT(mapper.Close(Soon(), kName), IsOk());
}

TEST_F(MapperTest, TakesNoDeviceThatSomebodyUses) {
  MakeVolume();
  const std::string device = Attach(files_ / "v");
  if (device.empty()) return;
  const MapperSocket listening(socket_);
  const auto header = HeaderCopy::Take(device);
  ASSERT_THAT(header, IsOk());
  const UniqueFd user(open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  ASSERT_TRUE(user);
  EXPECT_THAT(Mapper(socket_).Open(Soon(), *header, kName, KeyOf(1), {}),
              Fails(Code::kFailedPrecondition, "DEVICE_IN_USE"));
}

TEST_F(MapperTest, WhatIsNotMappedIsNotClosed) {
  const MapperSocket listening(socket_);
  EXPECT_THAT(Mapper(socket_).Close(Soon(), kName), Fails(Code::kNotFound, "VOLUME_NOT_ACTIVE"));
  EXPECT_THAT(Mapper(socket_).Close(Soon(), "../" + std::string(kName)),
              Fails(Code::kInvalidArgument, "MAPPING_NAME_INVALID"));
}

TEST_F(MapperTest, JudgesTheHeaderItself) {
  const UniqueFd good = HeaderImage("plain.header").Open();
  EXPECT_THAT(Answer(ToOpen(), good.get()), Fails(Code::kFailedPrecondition, "NOT_A_DEVICE"));
  const UniqueFd clear = HeaderImage("plain.header")
                             .Change([](nlohmann::json& json) {
                               json["segments"]["0"]["encryption"] = "cipher_null-ecb";
                             })
                             .Open();
  EXPECT_THAT(Answer(ToOpen(), clear.get()),
              Fails(Code::kPermissionDenied, "HEADER_CIPHER_REFUSED"));
  const UniqueFd reencrypting = HeaderImage("reencrypting_1.header").Open();
  EXPECT_THAT(Answer(ToOpen(), reencrypting.get()).code(), Code::kPermissionDenied);
  const UniqueFd nothing(memfd_create("nothing", MFD_CLOEXEC));
  EXPECT_THAT(Answer(ToOpen(), nothing.get()), Fails(Code::kNotFound, "NOT_LUKS"));
}

TEST_F(MapperTest, TakesAHeaderFromMemoryAlone) {
  EXPECT_THAT(Answer(ToOpen()), Fails(Code::kInvalidArgument, "HEADER_MISSING"));
  MakeVolume();
  const UniqueFd file(open((files_ / "v").c_str(), O_RDONLY | O_CLOEXEC));
  const auto elsewhere = Fails(Code::kInvalidArgument, "HEADER_NOT_IN_MEMORY");
  EXPECT_THAT(Answer(ToOpen(), file.get()), elsewhere);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]), writing(ends[1]);
  EXPECT_THAT(Answer(ToOpen(), reading.get()), elsewhere);
}

TEST_F(MapperTest, TakesBlockDevicesBelowDevAlone) {
  const UniqueFd header = HeaderImage("plain.header").Open();
  EXPECT_THAT(Answer(ToOpen("/dev/none"), header.get()).code(), Code::kNotFound);
  EXPECT_THAT(Answer(ToOpen("/dev/fd/0"), header.get()).code(), Code::kNotFound);
  for (const std::string device : {"/dev/null", "/dev/../etc/passwd", "/dev"}) {
    MapperRequest request = ToOpen(device == "/dev" ? "/dev/" : device);
    EXPECT_THAT(Answer(request, header.get()), Fails(Code::kFailedPrecondition, "NOT_A_DEVICE"))
        << device;
  }
}

TEST_F(MapperTest, RefusesWhatIsNoRequest) {
  EXPECT_THAT(Answer(AsBytes("x")), Fails(Code::kInvalidArgument, "MAPPER_REQUEST_MALFORMED"));
  EXPECT_THAT(Answer(Bytes(volumes::kMaxMapperPacket + 1)),
              Fails(Code::kInvalidArgument, "MAPPER_PACKET_REFUSED"));
}

TEST_F(MapperTest, ServesOneRequest) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd its(ends[1]);
  const auto packet = volumes::ToPacket(ToOpen());
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(volumes::SendPacket(ours.get(), Soon(), packet->view()), IsOk());
  }
  const pid_t pid = StartMapper(its.get());
  its.reset();
  EXPECT_THAT(volumes::ReceivePacket(ours.get(), Soon()), IsOk());
  EXPECT_THAT(volumes::ReceivePacket(ours.get(), Soon()), Fails(Code::kUnavailable, "MAPPER_GONE"));
  EXPECT_EQ(ExitOf(pid), 1);
}

TEST_F(MapperTest, TakesOneDescriptor) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]), its(ends[1]);
  const UniqueFd header = HeaderImage("plain.header").Open();
  const std::array<int, 2> fds = {header.get(), header.get()};
  char byte = 1;
  iovec part = {.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(fds))> control{};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(fds));
  std::memcpy(CMSG_DATA(head), fds.data(), sizeof(fds));
  ASSERT_EQ(sendmsg(ours.get(), &message, 0), 1);
  EXPECT_THAT(volumes::ReceivePacket(its.get(), Soon()),
              Fails(Code::kInvalidArgument, "MAPPER_PACKET_REFUSED"));
}

TEST_F(MapperTest, TellsThatNobodyListens) {
  const auto missing = Fails(Code::kUnavailable, "MAPPER_MISSING");
  EXPECT_THAT(Mapper(socket_).Close(Soon(), kName), missing);
  {
    const UniqueFd gone = ListenForPackets(socket_);
  }
  EXPECT_THAT(Mapper(socket_).Close(Soon(), kName), missing);
}

TEST_F(MapperTest, WaitsNoLongerThanItsDeadline) {
  const UniqueFd silent = ListenForPackets(socket_);
  const auto timeout = Fails(Code::kDeadlineExceeded, "MAPPER_TIMEOUT");
  EXPECT_THAT(Mapper(socket_).Close(DeadlineIn(std::chrono::milliseconds(50)), kName), timeout);
  EXPECT_THAT(Mapper(socket_).Close(DeadlineIn(std::chrono::milliseconds(0)), kName), timeout);
}

TEST_F(MapperTest, TellsThatItEndedWithoutAnAnswer) {
  const UniqueFd listener = ListenForPackets(socket_);
  // As systemd does when there are as many already as there may be.
  std::thread refusing([&] { UniqueFd(accept(listener.get(), nullptr, nullptr)); });
  EXPECT_THAT(Mapper(socket_).Close(Soon(), kName), Fails(Code::kUnavailable, "MAPPER_GONE"));
  refusing.join();
}

TEST_F(MapperTest, StartedByHandItSaysWhoStartsIt) {
  for (const std::string how : {" </dev/null", " --help"}) {
    const Output output = RunProgram(SEAWORTHY_MAPPER + how);
    EXPECT_EQ(WEXITSTATUS(output.status), 2);
    EXPECT_THAT(output.text, HasSubstr("seaworthy-mapper.socket"));
  }
}

}  // namespace
}  // namespace seaworthy::testing
