// An audit of a real engine with containers, and what of its time is the engine's.
#pragma once

#include <memory>

#include "component/modules/docker/engine_fixture.h"

namespace seaworthy::bench {

class EngineAudit {
 public:
  // A dockerd of its own with so many running containers.
  explicit EngineAudit(int containers);

  void Whole() const;
  // How many processes one audit starts, by what the kernel tells of it.
  int ChildProcesses() const;
  // The questions alone that an audit has to ask of each container, its image and the engine.
  void EnginesAnswers() const;

 private:
  const std::unique_ptr<docker::PrivateEngine> engine_;
};

}  // namespace seaworthy::bench
