#include "ctl/integrity_files.h"

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

constexpr std::size_t kMaxPemFile = std::size_t{1} << 20;
// A tree of files takes as long as it takes; what is signed stays signed when it is broken off.
constexpr std::chrono::hours kTreeTime{24};

}  // namespace

integrity::TreeRun TreeRunOf(Session& session, const std::vector<std::string>& paths,
                             bool other_file_systems) {
  integrity::TreeRun run{.deadline = DeadlineIn(kTreeTime),
                         .paths = {},
                         .other_file_systems = other_file_systems,
                         .failed = [&session](const std::string& path, const Status& why) {
                           session.terminal().out << Printable(path) << ": "
                                                  << Printable(Message(why)) << " [" << Reason(why)
                                                  << "]\n";
                         }};
  for (const std::string& path : paths) {
    const std::size_t begin = path.find_first_not_of('/');
    run.paths.push_back(begin == std::string::npos ? "." : path.substr(begin));
  }
  return run;
}

Result<std::string> ReadPem(const std::string& file) {
  ASSIGN_OR_RETURN(const Bytes content, ReadFile(file, kMaxPemFile));
  return std::string(AsText(content));
}

Result<verify::ImaKeys> ReadImaKeys(const std::vector<std::string>& files) {
  std::vector<std::string> pems;
  for (const std::string& path : files) {
    ASSIGN_OR_RETURN(pems.emplace_back(), ReadPem(path));
  }
  return verify::ImaKeys::Parse(pems);
}

}  // namespace seaworthy::ctl
