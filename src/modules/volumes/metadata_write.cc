#include "modules/volumes/metadata_write.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "modules/volumes/crypto.h"
#include "modules/volumes/extent.h"
#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// LUKS2 On-Disk Format Specification 1.1.1, figure 2: the binary header, numbers big-endian.
constexpr std::size_t kBinarySize = 4096;
constexpr std::size_t kVersion = 6;
constexpr std::size_t kHeaderSize = 8;
constexpr std::size_t kSequence = 16;
constexpr std::size_t kChecksumAlgorithm = 72;
constexpr std::size_t kChecksum = 448;
constexpr std::size_t kChecksumSize = 64;
constexpr std::uint64_t kMinHeader = std::uint64_t{16} << 10;
constexpr std::uint64_t kMaxHeader = std::uint64_t{4} << 20;

std::uint64_t GetNumber(const Bytes& header, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | header[at + i];
  return number;
}

void PutNumber(std::uint64_t number, Bytes& header, std::size_t at) {
  for (std::size_t i = 0; i < 8; ++i) {
    header[at + i] = static_cast<std::uint8_t>(number >> (8 * (7 - i)));
  }
}

Result<Bytes> ReadBinary(int fd, std::uint64_t offset, std::string_view magic,
                         const std::string& path) {
  Bytes header(kBinarySize);
  const Result<std::size_t> got = ReadAt(fd, offset, header);
  if (!got.ok()) return Wrap(got.status(), path);
  const std::string_view text = AsText(header);
  const bool sound = *got == kBinarySize && text.starts_with(magic) && header[kVersion] == 0 &&
                     header[kVersion + 1] == 2 &&
                     text.substr(kChecksumAlgorithm, 7) == std::string_view("sha256\0", 7);
  if (sound) return header;
  return Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
              path + ": no LUKS2 header with SHA-256 at " + std::to_string(offset));
}

Status WriteCopy(int fd, std::uint64_t offset, const Bytes& copy, const std::string& path) {
  if (Status written = WriteAll(fd, offset, copy); !written.ok()) return Wrap(written, path);
  if (Status synced = Sync(fd); !synced.ok()) return Wrap(synced, path);
  return {};
}

// The copy as it will be: binary header, JSON, zeros up to its size.
Result<Bytes> MakeCopy(Bytes binary, std::uint64_t sequence, std::string_view json,
                       std::uint64_t size) {
  PutNumber(sequence, binary, kSequence);
  std::fill_n(binary.begin() + kChecksum, kChecksumSize, std::uint8_t{0});
  Bytes copy = std::move(binary);
  copy.insert(copy.end(), json.begin(), json.end());
  copy.resize(size);
  ASSIGN_OR_RETURN(const Bytes checksum, Sha256Of(copy));
  std::ranges::copy(checksum, copy.begin() + kChecksum);
  return copy;
}

}  // namespace

Status ReplaceMetadata(const std::string& path, std::string_view json) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return FromErrno(errno, "open " + path);
  ASSIGN_OR_RETURN(Bytes first, ReadBinary(fd.get(), 0, "LUKS\xba\xbe", path));
  const std::uint64_t size = GetNumber(first, kHeaderSize);
  if (size < kMinHeader || size > kMaxHeader) {
    return Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
                path + ": a header of " + std::to_string(size) + " bytes");
  }
  ASSIGN_OR_RETURN(Bytes second, ReadBinary(fd.get(), size, "SKUL\xba\xbe", path));
  if (kBinarySize + json.size() >= size) {
    return Fail(Code::kResourceExhausted, "TOKEN_AREA_FULL",
                path + ": metadata of " + std::to_string(json.size()) + " bytes don't fit");
  }
  const std::uint64_t sequence =
      std::max(GetNumber(first, kSequence), GetNumber(second, kSequence)) + 1;
  ASSIGN_OR_RETURN(first, MakeCopy(std::move(first), sequence, json, size));
  ASSIGN_OR_RETURN(second, MakeCopy(std::move(second), sequence, json, size));
  RETURN_IF_ERROR(WriteCopy(fd.get(), 0, first, path));
  return WriteCopy(fd.get(), size, second, path);
}

}  // namespace seaworthy::volumes
