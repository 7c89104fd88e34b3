// JSON for scripts.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "ctl/outcome.h"
#include "ctl/volume_units.h"
#include "seaworthy/enrolment.h"
#include "seaworthy/policy.h"
#include "seaworthy/verify.h"

namespace seaworthy::ctl {

// Protobuf's JSON mapping with the field names of the .proto files; every field without
// presence is there, also when it has its default. On one line or indented; no line break at
// the end.
std::string ToJson(const google::protobuf::Message& message, bool indented);

std::string ToJson(const verify::Verdict& verdict);
std::string ToJson(const verify::EndorsementVerdict& verdict);

// {"policy", "pcrs", "files", "keys"}: how many of each the policy of that file has.
std::string PolicyJson(const std::string& path, const verify::Policy& policy);

// {"units": [{"path", "content"}]}.
std::string UnitsJson(const std::vector<UnitFile>& units);

// {"error": {"code", "reason", "message", "request_id"}} on one line.
std::string ErrorJson(const Outcome& outcome);

// "PERMISSION_DENIED" and so on, gRPC's names.
std::string CodeName(Code code);

}  // namespace seaworthy::ctl
