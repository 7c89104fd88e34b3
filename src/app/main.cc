#include <getopt.h>

#include <cstdio>
#include <string>

#include "daemon.h"
#include "version.h"

namespace {

constexpr int kExitUsage = 2;
constexpr char kUsage[] =
    "Usage: seaworthyd [--config FILE] [--check]\n"
    "\n"
    "The daemon that owns this node's TPM. Runs in the foreground.\n"
    "\n"
    "  -c, --config FILE  configuration (default /etc/seaworthy/seaworthyd.toml)\n"
    "      --check        read the configuration, say whether it is good, and exit\n"
    "      --version      tell the version and exit\n"
    "  -h, --help         show this text and exit\n";

enum Option { kConfig = 'c', kHelp = 'h', kCheck = 256, kVersionOption };

constexpr option kOptions[] = {{"config", required_argument, nullptr, kConfig},
                               {"check", no_argument, nullptr, kCheck},
                               {"version", no_argument, nullptr, kVersionOption},
                               {"help", no_argument, nullptr, kHelp},
                               {nullptr, 0, nullptr, 0}};

}  // namespace

int main(int argc, char** argv) {
  std::string config = "/etc/seaworthy/seaworthyd.toml";
  bool check = false;
  for (int option = 0; (option = getopt_long(argc, argv, "c:h", kOptions, nullptr)) != -1;) {
    switch (option) {
      case kConfig:
        config = optarg;
        break;
      case kCheck:
        check = true;
        break;
      case kVersionOption:
        std::printf("seaworthyd %s\n", seaworthy::kVersion);
        return 0;
      case kHelp:
        std::fputs(kUsage, stdout);
        return 0;
      default:
        std::fputs(kUsage, stderr);
        return kExitUsage;
    }
  }
  if (optind < argc) {
    std::fprintf(stderr, "seaworthyd: unexpected argument: %s\n%s", argv[optind], kUsage);
    return kExitUsage;
  }
  return check ? seaworthy::app::CheckConfig(config) : seaworthy::app::RunDaemon(config);
}
