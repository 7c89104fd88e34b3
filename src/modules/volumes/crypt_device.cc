#include "modules/volumes/crypt_device.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// The library has one number for many errors; its lines, which are English as long as nobody sets
// the process's locale, tell some of them apart.
struct KnownLine {
  const char* part;
  Code code;
  const char* reason;
};
constexpr KnownLine kKnownLines[] = {
    {"All key slots full", Code::kResourceExhausted, "KEYSLOTS_FULL"},
    {"No space for new keyslot", Code::kResourceExhausted, "KEYSLOTS_FULL"},
    // The sequence id on the device is not the one that was read.
    {"concurrent LUKS2 metadata update", Code::kAborted, "HEADER_CHANGED"},
    {"Volume key does not match", Code::kPermissionDenied, "VOLUME_KEY_WRONG"},
};

// Only what is there: the library says elsewhere than in our log that it is not.
Status CheckExists(const std::string& path) {
  struct stat stat = {};
  if (::stat(path.c_str(), &stat) != 0) return FromErrno(errno, "open " + path);
  if (S_ISREG(stat.st_mode) || S_ISBLK(stat.st_mode)) return {};
  return Fail(Code::kFailedPrecondition, "UNSAFE_FILE",
              path + ": is neither a block device nor a regular file");
}

}  // namespace

Result<std::unique_ptr<CryptDevice>> CryptDevice::Create(const std::string& path,
                                                         const std::string& header_file,
                                                         const std::string& shown_as) {
  RETURN_IF_ERROR(CheckExists(path));
  if (!header_file.empty()) RETURN_IF_ERROR(CheckExists(header_file));
  std::unique_ptr<CryptDevice> device(new CryptDevice(path, header_file, shown_as));
  crypt_device* handle = nullptr;
  const int rc = header_file.empty()
                     ? crypt_init(&handle, path.c_str())
                     : crypt_init_data_device(&handle, header_file.c_str(), path.c_str());
  RETURN_IF_ERROR(device->Adopt(rc, handle));
  return device;
}

Result<std::unique_ptr<CryptDevice>> CryptDevice::CreateForName(const std::string& name) {
  std::unique_ptr<CryptDevice> device(new CryptDevice(name, ""));
  crypt_device* handle = nullptr;
  const int rc = crypt_init(&handle, nullptr);
  RETURN_IF_ERROR(device->Adopt(rc, handle));
  return device;
}

Result<std::unique_ptr<CryptDevice>> CryptDevice::CreateOfActive(const std::string& name) {
  std::unique_ptr<CryptDevice> device(new CryptDevice(name, ""));
  crypt_device* handle = nullptr;
  const int rc = crypt_init_by_name(&handle, name.c_str());
  RETURN_IF_ERROR(device->Adopt(rc, handle));
  return device;
}

Status CryptDevice::Adopt(int rc, crypt_device* handle) {
  handle_.reset(handle);
  if (rc < 0) return Error(rc, "open");
  crypt_set_log_callback(handle, OnLog, this);
  return {};
}

void CryptDevice::OnLog(int level, const char* line, void* self) {
  CryptDevice& device = *static_cast<CryptDevice*>(self);
  std::string text(line);
  while (text.ends_with('\n')) text.pop_back();
  const Level ours = level == CRYPT_LOG_ERROR    ? Level::kWarning
                     : level == CRYPT_LOG_NORMAL ? Level::kInfo
                                                 : Level::kDebug;
  Log(ours, device.shown_as() + ": " + text);
  if (level == CRYPT_LOG_ERROR) device.last_error_ = std::move(text);
}

Status CryptDevice::Error(int rc, std::string_view what) const {
  const std::string message =
      shown_as() + ": " + std::string(what) + ": " +
      (last_error_.empty() ? std::generic_category().message(-rc) : last_error_);
  for (const KnownLine& known : kKnownLines) {
    if (last_error_.find(known.part) != std::string::npos) {
      return Fail(known.code, known.reason, message);
    }
  }
  switch (-rc) {
    case EPERM:
      return Fail(Code::kPermissionDenied, "PASSPHRASE_WRONG", message);
    case EACCES:
    case EROFS:
      return Fail(Code::kPermissionDenied, "FILE_ACCESS", message);
    case ENOENT:
      return Fail(Code::kNotFound, "KEYSLOT_NOT_FOUND", message);
    case ENODEV:
      return Fail(Code::kNotFound, "VOLUME_NOT_ACTIVE", message);
    case EEXIST:
      return Fail(Code::kAlreadyExists, "ALREADY_EXISTS", message);
    case EBUSY:
      return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", message);
    case EOPNOTSUPP:
      return Fail(Code::kFailedPrecondition, "LUKS_UNSUPPORTED", message);
    case EINVAL:
      return Fail(Code::kInvalidArgument, "LUKS_REFUSED", message);
    case ENOSPC:
      return Fail(Code::kResourceExhausted, "DISK_FULL", message);
    case ENOMEM:
      return Fail(Code::kResourceExhausted, "OUT_OF_MEMORY", message);
    default:
      return Fail(Code::kInternal, "DEVICE_IO", message);
  }
}

Result<int> CryptDevice::Changed(Result<int> result) {
  if (!result.ok()) {
    const Result<int> loaded = Call("read the header again", [](crypt_device* handle) {
      return crypt_load(handle, CRYPT_LUKS2, nullptr);
    });
    if (!loaded.ok()) Log(Level::kWarning, Message(loaded.status()));
  }
  return result;
}

Status CryptDevice::SetCost(const KeyslotCost& cost) {
  const bool argon2 = cost.memory_kib != 0;
  const crypt_pbkdf_type pbkdf = {
      .type = argon2 ? CRYPT_KDF_ARGON2ID : CRYPT_KDF_PBKDF2,
      .hash = "sha512",
      .time_ms = 0,
      .iterations = cost.iterations,
      .max_memory_kb = cost.memory_kib,
      .parallel_threads = cost.threads,
      // Measuring takes seconds, and what it finds depends on what else the machine does.
      .flags = CRYPT_PBKDF_NO_BENCHMARK,
  };
  return Call("set the cost of a keyslot",
              [&](crypt_device* handle) { return crypt_set_pbkdf_type(handle, &pbkdf); })
      .status();
}

}  // namespace seaworthy::volumes
