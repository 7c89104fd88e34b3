#include "seaworthy/modules/docker.h"

namespace seaworthy::docker {

Docker::Docker(Events& events, Options options) : events_(events), options_(std::move(options)) {}

}  // namespace seaworthy::docker
