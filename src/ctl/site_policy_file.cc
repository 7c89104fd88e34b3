#include "ctl/site_policy_file.h"

#include "seaworthy/directory.h"
#include "seaworthy/modules/docker/engine_audit.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

std::string PathOf(const std::string& named) {
  return named.empty() ? docker::kSitePolicyFile : named;
}

}  // namespace

Result<std::string> ReadSitePolicy(const std::string& named) {
  const Result<Bytes> file = ReadFile(PathOf(named), docker::kMaxSitePolicy);
  if (named.empty() && file.status().code() == Code::kNotFound) return std::string();
  RETURN_IF_ERROR(file.status());
  return std::string(AsText(*file));
}

Status NamePolicy(const Status& status, const std::string& named) {
  return Reason(status) == "SITE_POLICY_MALFORMED" ? Wrap(status, PathOf(named)) : status;
}

}  // namespace seaworthy::ctl
