// What the commands of `integrity` that look at files have in common.
#pragma once

#include <string>
#include <vector>

#include "ctl/session.h"
#include "seaworthy/ima_signature.h"
#include "seaworthy/modules/integrity/file_tree.h"

namespace seaworthy::ctl {

// Paths as the user wrote them are relative to the root, for the tree is never left. Failures are
// told on standard output.
integrity::TreeRun TreeRunOf(Session& session, const std::vector<std::string>& paths,
                             bool other_file_systems);

// The text of a certificate or public key. The error is one of usage.
Result<std::string> ReadPem(const std::string& file);

// Certificates and public keys, each in a file. The error is one of usage.
Result<verify::ImaKeys> ReadImaKeys(const std::vector<std::string>& files);

}  // namespace seaworthy::ctl
