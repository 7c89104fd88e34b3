#include "seaworthy/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace seaworthy {
namespace {

std::atomic<int> g_level{static_cast<int>(Level::kInfo)};
std::atomic<const char*> g_name{"seaworthyd"};

// systemd sets JOURNAL_STREAM to the device and inode of the stream it gave us; a child that
// redirects its standard error no longer matches (systemd.exec(5)).
bool StderrIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  unsigned long long device = 0;
  unsigned long long inode = 0;
  struct stat stat = {};
  return stream != nullptr && std::sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
         fstat(STDERR_FILENO, &stat) == 0 && stat.st_dev == device && stat.st_ino == inode;
}

// One record is one line: control characters of foreign text must not make another.
std::string OneLine(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

void Send(Level level, std::string_view message, const LogFields& fields) {
  std::vector<std::string> texts;
  texts.push_back("MESSAGE=" + std::string(message));
  texts.push_back("PRIORITY=" + std::to_string(static_cast<int>(level)));
  texts.push_back(std::string("SYSLOG_IDENTIFIER=") + g_name.load());
  for (const auto& [name, value] : fields) texts.push_back(name + "=" + value);
  std::vector<iovec> vectors;
  vectors.reserve(texts.size());
  for (std::string& text : texts) vectors.push_back({text.data(), text.size()});
  sd_journal_sendv(vectors.data(), static_cast<int>(vectors.size()));
}

}  // namespace

void SetLogName(const char* name) { g_name = name; }

void SetLogLevel(Level level) { g_level = static_cast<int>(level); }

bool LogToJournal(Level level, std::string_view message, const LogFields& fields) {
  static const bool journal = StderrIsJournal();
  if (journal) Send(level, message, fields);
  return journal;
}

void Log(Level level, std::string_view message, const LogFields& fields) {
  if (static_cast<int>(level) > g_level) return;
  if (LogToJournal(level, message, fields)) return;
  std::string line = std::string(g_name.load()) + ": " + OneLine(message);
  for (const auto& [name, value] : fields) line += " " + name + "=" + OneLine(value);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace seaworthy
