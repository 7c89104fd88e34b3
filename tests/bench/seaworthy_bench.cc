// What the daemon costs, beside the bare TPM command and beside what others use, and what judging
// of evidence does. Each pair that is compared is measured in turns in the same loop, so that drift
// of the machine hits both alike, and at the median. The daemon's times are wall clock: most of
// them are spent waiting for the TPM.
//
//   seaworthy_bench --daemon=PROGRAM --json=FILE [Google Benchmark's flags]
//
// With --benchmark_filter=REGEX what others measure is left out of the table.
#include <benchmark/benchmark.h>
#include <poll.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string_view>

#include "bench/attesting.h"
#include "bench/bare_tpm.h"
#include "bench/baseline_scan.h"
#include "bench/daemon.h"
#include "bench/engine_audit.h"
#include "bench/following.h"
#include "bench/handshakes.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/rivals.h"
#include "bench/signing.h"
#include "bench/verifying.h"
#include "bench/volume_opening.h"
#include "support/sw_tpm.h"

namespace seaworthy::bench {
namespace {

constexpr int kWarmUp = 20;
constexpr int kCalls = 500;
constexpr int kHandshakes = 300;
constexpr int kStarts = 30;
constexpr int kProcesses = 30;
constexpr int kLists = 5;
constexpr int kFollowed = 200;
constexpr int kTrees = 5;
constexpr int kScans = 15;
constexpr int kVerdicts = 2'000;
constexpr int kUnlocks = 40;  // none to warm up: systemd's plugin leaves a session each time
constexpr int kVolumes = 20;
constexpr int kStartsWithVolumes = 7;
constexpr int kContainers = 20;
constexpr int kAudits = 15;
constexpr int kEntriesOfALongList = 100'000;
// Long enough for what the last calls left behind to be put away.
constexpr int kIdleMs = 2'000;

using Action = std::function<void()>;

double MillisecondsOf(const Action& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

// Registers one benchmark that does the actions in turns, and keeps the times of each; not of
// `between`, which runs before each.
class InTurns {
 public:
  InTurns(
      const std::string& name, int rounds, std::vector<Action> actions, Action between = [] {})
      : rounds_(rounds) {
    times_.resize(actions.size());
    benchmark::RegisterBenchmark(name.c_str(),
                                 [this, actions, between](benchmark::State& state) {
                                   for (int i = 0; i < kWarmUp && rounds_ > kWarmUp * 2; ++i) {
                                     for (const Action& action : actions) action();
                                   }
                                   while (state.KeepRunning()) {
                                     for (std::size_t i = 0; i < actions.size(); ++i) {
                                       between();
                                       times_[i].push_back(MillisecondsOf(actions[i]));
                                     }
                                     state.SetIterationTime(times_[0].back() / 1e3);
                                   }
                                 })
        ->UseManualTime()
        ->Iterations(rounds_)
        ->Unit(benchmark::kMillisecond);
  }
  InTurns(const InTurns&) = delete;
  InTurns& operator=(const InTurns&) = delete;

  double median(std::size_t action) const { return Median(times_[action]); }

 private:
  const int rounds_;
  std::vector<std::vector<double>> times_;
};

// Has the verifier measured beside the daemon, and tells what came of it.
class VerifierFigures {
 public:
  void AddTo(std::vector<Figure>& figures) const {
    const double list = Median(lists_);
    figures.insert(
        figures.end(),
        {{"ima_entries_per_s", Verifying::kEntries / list, "1/s", 1'550'000, true},
         {"ima_vs_evmctl", Median(evmctl_lists_) / list, "ratio", 4.0, true},
         {"ima_rss_growth_mib", Median(growths_mib_), "MiB", 1},
         {"verify_per_s", 1 / Median(quotes_), "1/s", 2'000, true},
         {"ima_evmctl_entries_per_s", Verifying::kEntries / Median(evmctl_lists_), "1/s", {}}});
  }

 private:
  Verifying verifying_;
  std::vector<double> lists_, growths_mib_, evmctl_lists_, quotes_;
  const InTurns ima_list_{"ima_list",
                          kLists,
                          {[this] {
                             const Verifying::ListCost cost = verifying_.JudgeList();
                             lists_.push_back(cost.seconds);
                             growths_mib_.push_back(cost.growth_mib);
                           },
                           [this] { evmctl_lists_.push_back(verifying_.ReplayByEvmctl()); }}};
  const InTurns verify_{
      "verify", kVerdicts, {[this] { quotes_.push_back(verifying_.JudgeQuote()); }}};
};

// Has evidence measured, beside the bare quote that is in it.
class EvidenceFigures {
 public:
  explicit EvidenceFigures(const std::string& program)
      : few_(program, Attesting::kNew), many_(program, kEntriesOfALongList) {}

  void AddTo(std::vector<Figure>& figures) const {
    figures.insert(
        figures.end(),
        {{"evidence_added_ms", evidence_.median(0) - evidence_.median(2), "ms", 1.0},
         {"evidence_incremental_added_ms", evidence_.median(1) - evidence_.median(0), "ms", 2.0},
         {"evidence_rpc_ms", evidence_.median(0), "ms", {}}});
  }

 private:
  Attesting few_, many_;
  const testing::SwTpm tpm_;
  BareTpm bare_{tpm_.tcti()};
  const InTurns evidence_{
      "evidence",
      kCalls,
      {[this] { few_.Attest(); }, [this] { many_.Attest(); }, [this] { bare_.Quote(); }}};
};

// Has the integrity module's work measured: the list followed, files signed.
class IntegrityFigures {
 public:
  explicit IntegrityFigures(const std::string& program)
      : signing_(program, v1::EC_P256), signing_by_rsa_(program, v1::RSA_2048) {}

  void AddTo(std::vector<Figure>& figures) const {
    const auto per_second = [](double ms) { return Signing::kFiles * 1e3 / ms; };
    figures.insert(figures.end(),
                   {{"ima_follow_added_ms", Median(long_) - Median(short_), "ms", 2.0},
                    {"sign_files_vs_bare", sign_.median(0) / sign_.median(1), "ratio", 1.2},
                    {"sign_files_rsa_vs_bare", rsa_.median(0) / rsa_.median(1), "ratio", 1.2},
                    {"sign_files_per_s", per_second(sign_.median(0)), "1/s", {}},
                    {"sign_bare_per_s", per_second(sign_.median(1)), "1/s", {}},
                    {"sign_files_rsa_per_s", per_second(rsa_.median(0)), "1/s", {}},
                    {"sign_bare_rsa_per_s", per_second(rsa_.median(1)), "1/s", {}}});
  }

 private:
  Following following_;
  Signing signing_, signing_by_rsa_;
  const testing::SwTpm tpm_;
  BareTpm bare_{tpm_.tcti()};
  std::vector<double> long_, short_;
  const InTurns follow_{"ima_follow", kFollowed, {[this] {
                          const Following::Cost cost = following_.FollowOn();
                          long_.push_back(cost.long_ms);
                          short_.push_back(cost.short_ms);
                        }}};
  const InTurns sign_{"sign_files",
                      kTrees,
                      {[this] { signing_.SignFiles(); },
                       [this] {
                         for (int i = 0; i < Signing::kFiles; ++i) bare_.Sign();
                       }},
                      [this] { signing_.ChangeFiles(); }};
  const InTurns rsa_{"sign_files_rsa",
                     kTrees,
                     {[this] { signing_by_rsa_.SignFiles(); },
                      [this] {
                        for (int i = 0; i < Signing::kFiles; ++i) bare_.SignByRsa();
                      }},
                     [this] { signing_by_rsa_.ChangeFiles(); }};
};

// Has the files of a Docker installation compared with their baseline, beside sha256sum over them.
class BaselineFigures {
 public:
  explicit BaselineFigures(const std::string& ctl) : scan_(ctl) {}

  void AddTo(std::vector<Figure>& figures) const {
    figures.insert(figures.end(), {{"baseline_scan_vs_sha256sum",
                                    turns_.median(0) / turns_.median(1), "ratio", 1.0},
                                   {"baseline_scan_ms", turns_.median(0), "ms", {}},
                                   {"baseline_sha256sum_ms", turns_.median(1), "ms", {}}});
  }

 private:
  const BaselineScan scan_;
  const InTurns turns_{
      "baseline", kScans, {[this] { scan_.Compare(); }, [this] { scan_.Sha256sum(); }}};
};

// Has volumes opened by the TPM, beside systemd's plugin and Clevis.
class VolumeFigures {
 public:
  explicit VolumeFigures(const std::string& program) : daemon_(program, daemon_tpm_.tcti()) {
    daemon_.Start();
    for (int i = 0; i < kVolumes; ++i) daemon_.FormatVolume("volume-" + std::to_string(i));
    daemon_.Stop();
  }

  void AddTo(std::vector<Figure>& figures) const {
    const double ours = turns_.median(0), systemd = turns_.median(1), clevis = clevis_.median(0);
    figures.insert(
        figures.end(),
        {{"unlock_vs_systemd_plugin", ours / systemd, "ratio", 0.5},
         {"unlock_vs_clevis", ours / clevis, "ratio", {}},
         {"volumes_20_vs_systemd_plugin", Median(all_) / Median(all_by_plugin_), "ratio", {}},
         {"volumes_20_ms", Median(all_), "ms", {}},
         {"volumes_20_systemd_plugin_ms", Median(all_by_plugin_), "ms", {}},
         {"unlock_ms", ours, "ms", {}},
         {"unlock_systemd_plugin_ms", systemd, "ms", {}},
         {"unlock_clevis_ms", clevis, "ms", {}}});
  }

 private:
  // One unlock after the other, without what puts the plugin's leavings away.
  double AllByPlugin() const {
    double sum = 0;
    for (int i = 0; i < kVolumes; ++i) {
      volumes_.Flush();
      sum += MillisecondsOf([this] { volumes_.SystemdPlugin(); });
    }
    return sum;
  }

  const VolumeOpening volumes_;
  const testing::SwTpm daemon_tpm_;
  Daemon daemon_;
  std::vector<double> all_, all_by_plugin_;
  const InTurns all_turns_{"volumes_20", kStartsWithVolumes, {[this] {
                             const std::chrono::duration<double, std::milli> unlocked =
                                 daemon_.StartAndUnlock(kVolumes);
                             all_.push_back(unlocked.count());
                             daemon_.Stop();
                             all_by_plugin_.push_back(AllByPlugin());
                           }}};
  const InTurns turns_{"unlock",
                       kUnlocks,
                       {[this] { volumes_.Ours(); }, [this] { volumes_.SystemdPlugin(); }},
                       [this] { volumes_.Flush(); }};
  const InTurns clevis_{
      "unlock_clevis", kProcesses, {[this] { volumes_.Clevis(); }}, [this] { volumes_.Flush(); }};
};

// Audits an engine, beside what the engine takes to answer.
class AuditFigures {
 public:
  void AddTo(std::vector<Figure>& figures) const {
    figures.insert(figures.end(), {{"audit_20_containers_ms", turns_.median(0), "ms", 100},
                                   {"audit_20_containers_engine_ms", turns_.median(1), "ms", {}},
                                   {"audit_child_processes", audit_.ChildProcesses(), "", 0}});
  }

 private:
  const EngineAudit audit_{kContainers};
  const InTurns turns_{
      "audit", kAudits, {[this] { audit_.Whole(); }, [this] { audit_.EnginesAnswers(); }}};
};

// The program of that name where `program` is.
std::string Beside(const std::string& program, const std::string& name) {
  return program.substr(0, program.rfind('/') + 1) + name;
}

double IdleResidentMib(const Daemon& daemon) {
  poll(nullptr, 0, kIdleMs);
  return daemon.ResidentMib();
}

std::vector<Figure> Measure(const std::string& program) {
  const testing::SwTpm daemon_tpm;
  const testing::SwTpm bare_tpm;
  const testing::SwTpm handshake_tpm;
  const testing::SwTpm start_tpm;
  const testing::SwTpm rival_tpm;

  BareTpm bare(bare_tpm.tcti());
  Daemon daemon(program, daemon_tpm.tcti());
  daemon.Start();
  daemon.CreateKey("bench");
  Handshakes handshakes(handshake_tpm.tcti());
  Rivals rivals(rival_tpm.tcti());
  // Once before: the storage root key, the state folder and a key are there from then on.
  Daemon starting(program, start_tpm.tcti());
  starting.Start();
  starting.CreateKey("bench");
  starting.Quote();
  starting.Stop();

  const InTurns sign("sign", kCalls,
                     {[&] { daemon.Sign("bench", Bytes(32)); }, [&] { bare.Sign(); },
                      [&] { daemon.CheckHealth(); }});
  const InTurns quote("quote", kCalls, {[&] { daemon.Quote(); }, [&] { bare.Quote(); }});
  const InTurns handshake("tls_handshake", kHandshakes,
                          {[&] { handshakes.WithTpmKey(); }, [&] { handshakes.WithSoftwareKey(); },
                           [&] { bare.Sign(); }});
  std::vector<double> starts;
  const InTurns start("start_and_stop", kStarts, {[&] {
                        const std::chrono::duration<double, std::milli> ready = starting.Start();
                        starts.push_back(ready.count());
                        starting.Stop();
                      }});
  const InTurns processes(
      "rivals", kProcesses,
      {[&] { rivals.Tpm2Sign(); }, [&] { rivals.Tpm2Quote(); }, [&] { rivals.OpensslSign(); }},
      [&] { rivals.Flush(); });
  if (benchmark::RunSpecifiedBenchmarks() == 0) Give("no benchmark has that name");
  const double idle_mib = IdleResidentMib(daemon);

  return {
      {"sign_rpc_added_ms", sign.median(0) - sign.median(1), "ms", 0.25},
      {"quote_rpc_added_ms", quote.median(0) - quote.median(1), "ms", 0.25},
      {"tls_handshake_ratio", handshake.median(0) / (handshake.median(1) + handshake.median(2)),
       "ratio", 1.3},
      {"start_to_ready_ms", Median(starts), "ms", 150},
      {"idle_rss_mib", idle_mib, "MiB", 25},
      {"sign_rpc_ms", sign.median(0), "ms", {}},
      {"sign_bare_esys_ms", sign.median(1), "ms", {}},
      {"grpc_empty_call_ms", sign.median(2), "ms", {}},
      {"sign_tpm2_tools_ms", processes.median(0), "ms", {}},
      {"sign_tpm2_openssl_ms", processes.median(2), "ms", {}},
      {"quote_rpc_ms", quote.median(0), "ms", {}},
      {"quote_bare_esys_ms", quote.median(1), "ms", {}},
      {"quote_tpm2_tools_ms", processes.median(1), "ms", {}},
      {"tls_handshake_tpm_ms", handshake.median(0), "ms", {}},
      {"tls_handshake_software_ms", handshake.median(1), "ms", {}},
  };
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string program;
  std::string json;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--daemon=")) {
      program = argument.substr(9);
    } else if (argument.starts_with("--json=")) {
      json = argument.substr(7);
    } else {
      Give("unknown argument " + std::string(argument));
    }
  }
  if (program.empty() || json.empty()) Give("usage: --daemon=PROGRAM --json=FILE");
  const VerifierFigures verifier;
  const EvidenceFigures evidence(program);
  const IntegrityFigures integrity(program);
  const BaselineFigures baseline(Beside(program, "seaworthyctl"));
  const VolumeFigures volumes(program);
  const AuditFigures audit;
  std::vector<Figure> figures = Measure(program);
  evidence.AddTo(figures);
  integrity.AddTo(figures);
  baseline.AddTo(figures);
  volumes.AddTo(figures);
  audit.AddTo(figures);
  verifier.AddTo(figures);
  LeaveOutUnmeasured(figures);
  PrintTable(figures);
  WriteJson(figures, json);
  std::printf("written to %s\n", json.c_str());
  return 0;
}

}  // namespace
}  // namespace seaworthy::bench

int main(int argc, char** argv) { return seaworthy::bench::Main(argc, argv); }
