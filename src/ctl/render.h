// Answers as a person likes to read them.
#pragma once

#include <string>

#include "ctl/text.h"
#include "seaworthy/v1/attestation.pb.h"
#include "seaworthy/v1/integrity.pb.h"
#include "seaworthy/v1/key.pb.h"
#include "seaworthy/v1/node.pb.h"
#include "seaworthy/verify.h"

namespace seaworthy::ctl {

std::string RenderStatus(const v1::GetStatusResponse& status, const Style& style);
// Whether the TPM is there and every module is healthy.
bool IsHealthy(const v1::GetStatusResponse& status);
std::string RenderHealth(const v1::GetStatusResponse& status, const Style& style);
std::string RenderEvent(const v1::Event& event, const Style& style);

std::string RenderKey(const v1::Key& key, const Style& style);
std::string RenderKeys(const v1::ListKeysResponse& keys, const Style& style);

std::string RenderAttestationKey(const v1::AttestationKey& key);
std::string RenderEndorsement(const v1::Endorsement& endorsement);
std::string RenderQuote(const v1::Evidence& evidence);
// What came, without the values.
std::string RenderEvidence(const v1::Evidence& evidence);

std::string RenderIntegrityState(const v1::IntegrityState& state, const Style& style);
std::string RenderIntegrityUpdate(const v1::IntegrityUpdate& update, const Style& style);

// A line for each check and, last, "trusted" or "NOT trusted: " and the codes that failed.
std::string RenderVerdict(const verify::Verdict& verdict, const Style& style);

}  // namespace seaworthy::ctl
