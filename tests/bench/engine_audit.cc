#include "bench/engine_audit.h"

#include "bench/process.h"
#include "seaworthy/modules/docker/engine_audit.h"

namespace seaworthy::bench {

using docker::PrivateEngine;

EngineAudit::EngineAudit(int containers)
    : engine_(std::make_unique<PrivateEngine>("{}", std::vector<std::string>{"--iptables=false"})) {
  engine_->ImportBusybox();
  for (int i = 0; i < containers; ++i) engine_->Run("bench-" + std::to_string(i));
}

void EngineAudit::Whole() const {
  docker::EngineAuditOptions options;
  options.socket = engine_->socket();
  const auto report = Must(docker::AuditEngine(PrivateEngine::Soon(), options), "audit");
  if (report.engine.empty()) Give("audit: the engine did not answer");
}

void EngineAudit::EnginesAnswers() const {
  const auto get = [this](const std::string& path) {
    return Must(engine_->api().Get(PrivateEngine::Soon(), path), path.c_str());
  };
  for (const char* const path : {"/version", "/info", "/networks", "/images/json",
                                 "/images/busybox/json", "/images/busybox/history"}) {
    get(path);
  }
  for (const auto& container : get("/containers/json?all=1")) {
    get("/containers/" + docker::Text(docker::At(container, {"Id"})) + "/json");
  }
}

}  // namespace seaworthy::bench
