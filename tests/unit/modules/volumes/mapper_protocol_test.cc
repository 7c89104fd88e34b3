#include "modules/volumes/mapper_protocol.h"

#include <gmock/gmock.h>

#include "component/modules/volumes/secrets.h"
#include "seaworthy/modules/volumes/mapping.h"
#include "support/status_matchers.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using seaworthy::testing::KeyOf;

const auto kMalformed = Fails(Code::kInvalidArgument, "MAPPER_REQUEST_MALFORMED");

MapperRequest ToOpen() {
  MapperRequest request;
  request.name = "docker";
  request.device = "/dev/vdb";
  request.options = {.read_only = true, .no_write_workqueue = true};
  request.volume_key = KeyOf(3);
  return request;
}

MapperRequest ToClose() {
  MapperRequest request;
  request.operation = MapperOperation::kClose;
  request.name = "docker";
  request.deferred = true;
  return request;
}

Bytes PacketOf(const MapperRequest& request) {
  const auto packet = ToPacket(request);
  EXPECT_THAT(packet, IsOk());
  return {packet->view().begin(), packet->view().end()};
}

TEST(MapperRequest, IsReadAsItWasWritten) {
  const auto open = ParseMapperRequest(PacketOf(ToOpen()));
  ASSERT_THAT(open, IsOk());
  EXPECT_EQ(open->operation, MapperOperation::kOpen);
  EXPECT_EQ(open->name, "docker");
  EXPECT_EQ(open->device, "/dev/vdb");
  EXPECT_TRUE(open->options.read_only && open->options.no_write_workqueue);
  EXPECT_FALSE(open->options.allow_discards || open->options.no_read_workqueue);
  EXPECT_EQ(Hex(open->volume_key.view()), Hex(KeyOf(3).view()));

  const auto close = ParseMapperRequest(PacketOf(ToClose()));
  ASSERT_THAT(close, IsOk());
  EXPECT_EQ(close->operation, MapperOperation::kClose);
  EXPECT_EQ(close->name, "docker");
  EXPECT_TRUE(close->deferred);
}

TEST(MapperRequest, EachBeginningOfOneIsRefused) {
  const Bytes packet = PacketOf(ToOpen());
  for (std::size_t size = 0; size < packet.size(); ++size) {
    EXPECT_THAT(ParseMapperRequest(ByteView(packet).first(size)), kMalformed) << size;
  }
  Bytes longer = packet;
  longer.push_back(0);
  EXPECT_THAT(ParseMapperRequest(longer), kMalformed);
  EXPECT_THAT(ParseMapperRequest(Bytes(kMaxMapperPacket + 1, 1)), kMalformed);
}

TEST(MapperRequest, WhatIsNotKnownIsRefused) {
  for (const std::size_t at : {0U, 1U}) {  // version, operation
    Bytes packet = PacketOf(ToOpen());
    packet[at] = 9;
    EXPECT_THAT(ParseMapperRequest(packet), kMalformed) << at;
  }
  Bytes packet = PacketOf(ToOpen());
  packet[2] = 16;
  EXPECT_THAT(ParseMapperRequest(packet), kMalformed);
  packet = PacketOf(ToClose());
  packet[2] = 2;
  EXPECT_THAT(ParseMapperRequest(packet), kMalformed);
}

TEST(MapperRequest, NamesThatLeaveDevMapperAreRefused) {
  for (const std::string name :
       {"", "control", "../vda", "a/b", ".", "-a", "_a", "Docker", "a b", "a\n", "\xc3\xa4"}) {
    EXPECT_THAT(CheckMappingName(name), Fails(Code::kInvalidArgument, "MAPPING_NAME_INVALID"))
        << name;
  }
  EXPECT_THAT(CheckMappingName(std::string(65, 'a')),
              Fails(Code::kInvalidArgument, "MAPPING_NAME_INVALID"));
  for (const std::string& name :
       {std::string(64, 'a'), std::string("vda5_crypt"), std::string("0-a")}) {
    EXPECT_THAT(CheckMappingName(name), IsOk()) << name;
  }
  Bytes packet = PacketOf(ToClose());
  packet[7] = '/';
  EXPECT_THAT(ParseMapperRequest(packet), Fails(Code::kInvalidArgument, "MAPPING_NAME_INVALID"));
}

TEST(MapperRequest, FieldsAreChecked) {
  for (const std::string& device :
       {std::string(), std::string("vdb"), std::string("/tmp/vdb"), std::string("/dev/v\0b", 8),
        "/dev/" + std::string(1020, 'a')}) {
    MapperRequest request = ToOpen();
    request.device = device;
    EXPECT_THAT(ToPacket(request), Fails(Code::kInvalidArgument, "DEVICE_PATH_INVALID")) << device;
  }
  MapperRequest request = ToOpen();
  request.volume_key = SecretBytes(32);
  EXPECT_THAT(ToPacket(request), Fails(Code::kInvalidArgument, "VOLUME_KEY_SIZE"));
  request = ToOpen();
  request.operation = MapperOperation::kClose;
  EXPECT_THAT(ToPacket(request), kMalformed);
}

TEST(MapperAnswer, IsReadAsItWasWritten) {
  const auto done = ParseMapperAnswer(ToPacket(MapperAnswer{}));
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->code, Code::kOk);
  const auto failed = ParseMapperAnswer(
      ToPacket(MapperAnswer{Code::kFailedPrecondition, "DEVICE_IN_USE", "/dev/vdb: is in use"}));
  ASSERT_THAT(failed, IsOk());
  EXPECT_EQ(failed->code, Code::kFailedPrecondition);
  EXPECT_EQ(failed->reason, "DEVICE_IN_USE");
  EXPECT_EQ(failed->message, "/dev/vdb: is in use");
}

TEST(MapperAnswer, ForeignTextStaysOnItsLine) {
  const auto answer = ParseMapperAnswer(ToPacket(
      MapperAnswer{Code::kInternal, "DEVICE_IO", "a\nb\x1b[2J\xff" + std::string(9999, 'x')}));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->message, ::testing::StartsWith("a?b?[2J?xx"));
  EXPECT_EQ(answer->message.size(), 4096U);
}

TEST(MapperAnswer, MalformedIsRefused) {
  const auto malformed = Fails(Code::kInternal, "MAPPER_ANSWER_MALFORMED");
  const Bytes good = ToPacket(MapperAnswer{Code::kInternal, "DEVICE_IO", "what"});
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(ParseMapperAnswer(ByteView(good).first(size)), malformed) << size;
  }
  Bytes unknown = good;
  unknown[1] = 17;
  EXPECT_THAT(ParseMapperAnswer(unknown), malformed);
  // Done, and yet with a reason; failed, and without one.
  Bytes done = good;
  done[1] = 0;
  EXPECT_THAT(ParseMapperAnswer(done), malformed);
  EXPECT_THAT(ParseMapperAnswer(ToPacket(MapperAnswer{Code::kInternal, "", "what"})), malformed);
  EXPECT_THAT(ParseMapperAnswer(ToPacket(MapperAnswer{Code::kInternal, "a reason", ""})),
              malformed);
}

}  // namespace
}  // namespace seaworthy::volumes
