#include "seaworthy/modules/volumes/mapping.h"

#include "modules/volumes/mapper_protocol.h"
#include "modules/volumes/mapper_socket.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

Status Ask(const std::string& path, Deadline deadline, const MapperRequest& request, int header) {
  ASSIGN_OR_RETURN(const SecretBytes packet, ToPacket(request));
  ASSIGN_OR_RETURN(const UniqueFd connection, ConnectToMapper(path, deadline));
  RETURN_IF_ERROR(SendPacket(connection.get(), deadline, packet.view(), header));
  ASSIGN_OR_RETURN(const Packet received, ReceivePacket(connection.get(), deadline));
  ASSIGN_OR_RETURN(const MapperAnswer answer, ParseMapperAnswer(received.bytes.view()));
  if (answer.code == Code::kOk) return {};
  return Fail(answer.code, answer.reason, answer.message);
}

}  // namespace

Status Mapper::Open(Deadline deadline, const HeaderCopy& header, const std::string& name,
                    const SecretBytes& volume_key, const ActivationOptions& options) const {
  MapperRequest request;
  request.operation = MapperOperation::kOpen;
  request.name = name;
  request.device = header.device();
  request.options = options;
  request.volume_key = SecretBytes::Copy(volume_key.view());
  return Ask(socket_path_, deadline, request, header.fd());
}

Status Mapper::Close(Deadline deadline, const std::string& name, bool deferred) const {
  MapperRequest request;
  request.operation = MapperOperation::kClose;
  request.name = name;
  request.deferred = deferred;
  return Ask(socket_path_, deadline, request, -1);
}

}  // namespace seaworthy::volumes
