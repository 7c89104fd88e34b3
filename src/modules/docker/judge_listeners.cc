#include "modules/docker/judge_listeners.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "modules/docker/engine_json.h"
#include "modules/docker/judge_swarm.h"
#include "modules/docker/running_config.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kCheck = "2.7";
constexpr std::string_view kNoKeys =
    "dockerd has no key for the lowest version or for the suites, and takes its private key only "
    "from a file";

std::string Where(const Listener& listener) {
  const bool six = listener.address.find(':') != std::string::npos;
  return "tcp://" + (six ? "[" + listener.address + "]" : listener.address) + ":" +
         std::to_string(listener.port);
}

std::string OrNone(const std::vector<std::string>& texts) {
  return texts.empty() ? "none" : Join(texts);
}

// Ports at which dockerd serves another thing than its API.
std::set<std::uint16_t> OtherPorts(const Facts& facts) {
  std::set<std::uint16_t> ports = SwarmPorts(facts);
  if (!facts.config.ok()) return ports;
  const std::string metrics = Text(facts.config->Value("metrics-addr"));
  std::uint64_t port = 0;
  if (ParseDecimal(metrics.substr(metrics.rfind(':') + 1), UINT16_MAX, port)) {
    ports.insert(static_cast<std::uint16_t>(port));
  }
  const std::int64_t diagnostic = Number(facts.config->Value("network-diagnostic-port"));
  if (diagnostic > 0 && diagnostic <= UINT16_MAX) {
    ports.insert(static_cast<std::uint16_t>(diagnostic));
  }
  return ports;
}

// Whether it takes clients with a certificate alone.
bool IsMutual(const TlsAnswer& answer) { return answer.tls && answer.insists_on_certificate; }

std::string Heard(const TlsProbe& probe) {
  const TlsAnswer& answer = *probe.answer;
  std::string heard = "handshakes with " + Where(probe.listener) + ": ";
  if (!answer.tls) return heard + "HTTP without TLS";
  heard += "accepts " + OrNone(answer.versions) +
           "; suites without authenticated encryption (CBC): " + OrNone(answer.cbc_suites);
  if (!answer.asks_certificate) return heard + "; asks for no client certificate";
  return heard + (answer.insists_on_certificate ? "; insists on a client certificate"
                                                : "; serves clients without a certificate as well");
}

// Whether it passes.
bool JudgeListener(const Facts& facts, const TlsProbe& probe, Findings& findings) {
  const std::string where = Where(probe.listener);
  if (!probe.answer.ok()) {
    findings.CannotTell(kCheck, where, Message(probe.answer.status()));
    return false;
  }
  if (IsMutual(*probe.answer)) return true;
  std::string evidence = Heard(probe);
  if (facts.config.ok()) evidence += "; " + ShowSetting(facts, "tlsverify");
  findings.Fail(kCheck, where,
                probe.answer->tls ? "who reaches this port is root on the node: no certificate is "
                                    "asked of clients"
                                  : "who reaches this port is root on the node: the engine speaks "
                                    "without TLS there",
                std::move(evidence));
  return false;
}

// Null where it was not tried.
const TlsProbe* ProbeOf(const Facts& facts, const Listener& listener) {
  const auto found = std::ranges::find_if(facts.tls, [&](const TlsProbe& probe) {
    return probe.listener.address == listener.address && probe.listener.port == listener.port;
  });
  return found == facts.tls.end() ? nullptr : &*found;
}

}  // namespace

void JudgeTcpListeners(const Facts& facts, Findings& findings) {
  if (!facts.process.ok()) {
    return findings.CannotTell(kCheck, "", Message(facts.process.status()));
  }
  const std::set<std::uint16_t> others = OtherPorts(facts);
  // Its listeners are in a network of its own.
  const bool elsewhere = facts.info.ok() && SecurityOption(*facts.info, "rootless").has_value();
  std::string passed;
  bool all_pass = true;
  for (const Listener& listener : facts.process->listeners) {
    if (listener.kind != Listener::Kind::kTcp || others.contains(listener.port)) continue;
    const TlsProbe* const probe = ProbeOf(facts, listener);
    if (elsewhere || probe == nullptr) {
      findings.CannotTell(kCheck, Where(listener),
                          elsewhere ? "the engine is rootless, in a network of its own: its "
                                      "listener was not tried from there"
                                    : "its listener was not tried");
      all_pass = false;
    } else if (JudgeListener(facts, *probe, findings)) {
      passed += (passed.empty() ? "" : "; ") + Heard(*probe);
    } else {
      all_pass = false;
    }
  }
  if (!all_pass) return;
  if (passed.empty()) {
    return findings.Pass(kCheck, "the engine's API is at no TCP port",
                         "sockets of dockerd, process " + std::to_string(facts.process->pid));
  }
  findings.Pass(kCheck, "clients over TCP need a certificate; " + std::string(kNoKeys), passed);
}

}  // namespace seaworthy::docker
