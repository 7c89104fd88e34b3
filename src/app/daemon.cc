#include "daemon.h"

#include <grpc/support/log.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "app.h"
#include "seaworthy/log.h"
#include "seaworthy/os/notify.h"

namespace seaworthy::app {
namespace {

using std::chrono::milliseconds;

// Calls get this long to finish at the end; the process has a little more to take itself down.
constexpr milliseconds kDrainTime{10'000};
constexpr unsigned kLastResortSeconds = 15;
constexpr milliseconds kProbeTime{2'000};
// Connections with their duplicates, the numbers of local_server.cc, and the rest.
constexpr rlim_t kDescriptors = 16'384;

void LogLines(Level level, const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    Log(level, text.substr(begin, end - begin));
    begin = end + 1;
  }
}

void LogGrpc(gpr_log_func_args* arguments) {
  // gRPC calls errors what any client can cause by leaving.
  Log(arguments->severity == GPR_LOG_SEVERITY_ERROR ? Level::kInfo : Level::kDebug,
      std::string("grpc: ") + arguments->message);
}

// Blocks the signals that WaitForSignal takes; to be called before any thread is made.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

void SetLimits() {
  umask(077);
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = std::min(kDescriptors, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  // gRPC's threads come and go; an allocation arena for each would only cost memory.
  mallopt(M_ARENA_MAX, 2);
}

// 0 when the time is over.
int WaitForSignal(const sigset_t& signals, std::optional<milliseconds> time) {
  if (!time) {
    int number = 0;
    sigwait(&signals, &number);
    return number;
  }
  const timespec timeout = {time->count() / 1000, (time->count() % 1000) * 1'000'000};
  return std::max(0, sigtimedwait(&signals, nullptr, &timeout));
}

void Reload(App& app, const std::string& config_path) {
  os::NotifyReloading();
  const Result<Config> config = LoadConfig(config_path);
  const Result<std::vector<std::string>> needing_restart =
      config.ok() ? app.Reload(*config) : Result<std::vector<std::string>>(config.status());
  if (!needing_restart.ok()) {
    Log(Level::kError, "the configuration stays as it was:");
    LogLines(Level::kError, Message(needing_restart.status()));
    app.ReloadFailed(Message(needing_restart.status()));
    os::NotifyReady("serving; the last reload failed, see the log");
    return;
  }
  for (const std::string& key : *needing_restart) {
    Log(Level::kWarning, "the change of " + key + " needs a restart");
  }
  Log(Level::kInfo, "the configuration was read again");
  os::NotifyReady("serving");
}

// The state on disk survives an end at any point; a TPM that hangs must not hang us.
void EndNow(int) {
  constexpr std::string_view kText = "seaworthyd: calls did not end in time; leaving them\n";
  static_cast<void>(!write(STDERR_FILENO, kText.data(), kText.size()));
  _exit(0);
}

void Serve(App& app, const std::string& config_path, const sigset_t& signals) {
  const auto watchdog = os::WatchdogTime();
  std::optional<milliseconds> round;
  if (watchdog) round = std::chrono::duration_cast<milliseconds>(*watchdog) / 2;
  for (;;) {
    const int number = WaitForSignal(signals, round);
    if (number == SIGTERM || number == SIGINT) return;
    if (number == SIGHUP) Reload(app, config_path);
    if (!watchdog) continue;
    if (app.Answers(DeadlineIn(kProbeTime))) {
      os::NotifyAlive();
    } else {
      Log(Level::kError, "a part of the daemon does not answer; the watchdog is not fed");
    }
  }
}

}  // namespace

int RunDaemon(const std::string& config_path) {
  const sigset_t signals = BlockSignals();
  SetLimits();
  gpr_set_log_function(LogGrpc);
  const Result<Config> config = LoadConfig(config_path);
  if (!config.ok()) {
    LogLines(Level::kError, Message(config.status()));
    return kExitConfig;
  }
  Result<std::unique_ptr<App>> app = App::Start(*config);
  if (!app.ok()) {
    Log(Level::kError, Reason(app.status()) + ": " + Message(app.status()));
    return kExitFailed;
  }
  Log(Level::kInfo,
      "serving on " + config->local.admin_socket + " and " + config->local.read_socket);
  os::NotifyReady("serving");
  Serve(**app, config_path, signals);
  os::NotifyStopping("letting calls finish");
  Log(Level::kInfo, "stopping");
  signal(SIGALRM, EndNow);
  alarm(kLastResortSeconds);
  (*app)->Drain(DeadlineIn(kDrainTime));
  return 0;
}

int CheckConfig(const std::string& config_path) {
  const Result<Config> config = LoadConfig(config_path);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", Message(config.status()).c_str());
    return kExitConfig;
  }
  std::printf("%s: good\n", config_path.c_str());
  return 0;
}

}  // namespace seaworthy::app
