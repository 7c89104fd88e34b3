// The messages of VolumeService as calls of Volumes take and give them.
#pragma once

#include "seaworthy/modules/volumes.h"
#include "seaworthy/v1/volume.pb.h"

namespace seaworthy::volumes {

// A secret out of a request, where it is cleansed: gRPC keeps the message until the call is over.
SecretBytes TakeSecret(const std::string& field);
VolumeSecret TakeSecret(const v1::VolumeSecret& secret);

Result<NewTpmWayIn> FromMessage(const v1::NewTpmWayIn& message, const std::string& field);
Result<std::vector<NewTpmWayIn>> FromMessage(
    const google::protobuf::RepeatedPtrField<v1::NewTpmWayIn>& messages);
ExpectedBoot FromMessage(const v1::BootUpdate& message);
VolumeEntry EntryOf(const std::string& name, const std::string& device, bool open_at_start,
                    const v1::MappingOptions& mapping);

void ToMessage(const Volume& volume, v1::Volume& message);
void ToMessage(const AcceptedHeader& header, v1::AcceptedHeader& message);
void ToMessage(const TestedVolume& test, v1::VolumeTest& message);

}  // namespace seaworthy::volumes
