// Answers on volumes as a person likes to read them.
#pragma once

#include <string>

#include "ctl/text.h"
#include "seaworthy/v1/volume.pb.h"

namespace seaworthy::ctl {

std::string RenderVolumes(const v1::ListVolumesResponse& volumes, const Style& style);
std::string RenderVolume(const v1::Volume& volume, const Style& style);
std::string RenderVolumeTest(const v1::VolumeTest& test, const Style& style);
std::string RenderRefresh(const v1::RefreshVolumeResponse& refresh, const Style& style);
std::string RenderAcceptedHeader(const v1::AcceptedHeader& accepted, const Style& style);
// "sha256:7=00ab..." a line.
std::string RenderPrediction(const v1::PredictUpdateResponse& prediction);

// What has to hold for the TPM to give the secret, in words.
std::string PolicyWords(const v1::TpmPolicy& policy);

}  // namespace seaworthy::ctl
