#include "seaworthy/modules/volumes/mapper.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "modules/volumes/mapper_protocol.h"
#include "modules/volumes/mapper_socket.h"
#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/modules/volumes/active_volume.h"
#include "seaworthy/modules/volumes/header_copy.h"
#include "seaworthy/modules/volumes/probe.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

std::string PathOf(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// Only memory: a file elsewhere, as in a FUSE file system, may let its reader wait for ever.
Status CheckIsMemory(int fd) {
  if (fd < 0) {
    return Fail(Code::kInvalidArgument, "HEADER_MISSING", "the request came without a header");
  }
  if (fcntl(fd, F_GET_SEALS) >= 0) return {};
  return Fail(Code::kInvalidArgument, "HEADER_NOT_IN_MEMORY",
              "the descriptor of the header is not one of memfd_create");
}

// Where links below /dev lead to, as udev makes them.
Result<std::string> FindDevice(const std::string& path) {
  std::error_code error;
  const std::string found = std::filesystem::canonical(path, error).string();
  if (error) return FromErrno(error.value(), "device: " + path);
  struct stat stat = {};
  if (lstat(found.c_str(), &stat) != 0) return FromErrno(errno, "device: " + found);
  if (S_ISBLK(stat.st_mode) && found.starts_with("/dev/")) return found;
  return Fail(Code::kFailedPrecondition, "NOT_A_DEVICE",
              "device: " + path + " is no block device below /dev");
}

Status CheckIsFree(const std::string& device) {
  ASSIGN_OR_RETURN(const DeviceState state, Probe(device));
  if (!state.in_use) return {};
  std::string by;
  for (const std::string& user : state.users) by += (by.empty() ? " by " : ", ") + user;
  return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", device + ": is in use" + by);
}

Status Open(const MapperRequest& request, const UniqueFd& header) {
  RETURN_IF_ERROR(CheckIsMemory(header.get()));
  // Copied again: who sent it can write to it still.
  ASSIGN_OR_RETURN(const HeaderCopy judged, HeaderCopy::Take(PathOf(header.get())));
  ASSIGN_OR_RETURN(const std::string device, FindDevice(request.device));
  RETURN_IF_ERROR(CheckIsFree(device));
  ASSIGN_OR_RETURN(const Luks luks, Luks::Open(device, PathOf(judged.fd())));
  return ActivateByVolumeKey(luks, request.name, request.volume_key, request.options);
}

Status Close(const MapperRequest& request) {
  RETURN_IF_ERROR(FindActiveByName(request.name).status());
  return Deactivate(request.name, request.deferred);
}

Status Do(const Packet& packet) {
  ASSIGN_OR_RETURN(const MapperRequest request, ParseMapperRequest(packet.bytes.view()));
  const bool open = request.operation == MapperOperation::kOpen;
  const Status done = open ? Open(request, packet.fd) : Close(request);
  if (done.ok()) {
    Log(Level::kNotice, open ? "mapped " + request.device + " as " + request.name
                             : "took away the mapping " + request.name);
  }
  return done.ok() ? done : Wrap(done, request.name);
}

}  // namespace

Status ServeMapperRequest(int socket, std::chrono::milliseconds patience) {
  const Result<Packet> packet = ReceivePacket(socket, DeadlineIn(patience));
  const Status done = packet.ok() ? Do(*packet) : packet.status();
  MapperAnswer answer;
  answer.code = done.code();
  if (!done.ok()) {
    answer.reason = Reason(done);
    answer.message = Message(done);
  }
  RETURN_IF_ERROR(SendPacket(socket, DeadlineIn(patience), ToPacket(answer)));
  return done;
}

}  // namespace seaworthy::volumes
