#include "seaworthy/ima_list_file.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace seaworthy::verify {
namespace {

// The kernel gives a page at a time, whatever is asked.
constexpr std::size_t kRead = std::size_t{64} * 1024;

Status Unreadable(const std::string& path, int error) {
  if (error == ENOENT) return Fail(Code::kNotFound, "IMA_LIST_MISSING", path + " does not exist");
  return Fail(Code::kFailedPrecondition, "IMA_LIST_UNREADABLE",
              path + " cannot be read: " + std::strerror(error));
}

}  // namespace

Result<ImaListFile> ImaListFile::Open(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return Unreadable(path, errno);
  return ImaListFile(path, std::move(file));
}

Result<std::optional<ImaEntry>> ImaListFile::Next(Deadline deadline) {
  while (true) {
    Result<std::optional<ImaEntry>> entry = reader_.Next();
    if (!entry.ok()) {
      return Fail(Code::kFailedPrecondition, "IMA_LIST_UNREADABLE",
                  path_ + ": " + Message(entry.status()));
    }
    if (entry->has_value()) return entry;
    if (TimeLeft(deadline).count() == 0) {
      return Fail(Code::kDeadlineExceeded, "IMA_LIST_LONG",
                  path_ + ": " + std::to_string(reader_.number()) +
                      " entries were read in the time that there was");
    }
    std::array<std::uint8_t, kRead> chunk;
    const ssize_t size = read(file_.get(), chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Unreadable(path_, errno);
    if (size == 0) return std::nullopt;
    reader_.Add(ByteView(chunk).first(static_cast<std::size_t>(size)));
  }
}

}  // namespace seaworthy::verify
