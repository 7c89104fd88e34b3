// libcryptsetup's handle of one device: its errors as Status, its lines in our log. The only file
// that includes the library; only sources that talk to it include this one.
#pragma once

#include <libcryptsetup.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "seaworthy/handle.h"
#include "seaworthy/modules/volumes/luks.h"

namespace seaworthy::volumes {

class CryptDevice {
 public:
  // Reads nothing yet. `header_file` is empty unless the header is detached.
  // `shown_as`: in messages, where the path tells nobody anything.
  static Result<std::unique_ptr<CryptDevice>> Create(const std::string& path,
                                                     const std::string& header_file,
                                                     const std::string& shown_as = "");
  // Of no device: for what the library can say of names in /dev/mapper.
  static Result<std::unique_ptr<CryptDevice>> CreateForName(const std::string& name);
  // Of what is active under the name.
  static Result<std::unique_ptr<CryptDevice>> CreateOfActive(const std::string& name);

  // The library keeps the address of the object for its log lines.
  CryptDevice(const CryptDevice&) = delete;
  CryptDevice& operator=(const CryptDevice&) = delete;

  const std::string& path() const { return path_; }
  // For messages.
  const std::string& shown_as() const { return shown_as_.empty() ? path_ : shown_as_; }
  // Where the header is.
  const std::string& header_path() const { return header_file_.empty() ? path_ : header_file_; }
  crypt_device* get() const { return handle_.get(); }

  // Runs `call(handle)`: what it returns, or the status for its negative errno. `what` says in the
  // message what was tried.
  template <class F>
  Result<int> Call(std::string_view what, F&& call) {
    last_error_.clear();
    const int rc = std::forward<F>(call)(handle_.get());
    if (rc < 0) return Error(rc, what);
    return rc;
  }

  // As Call, for what changes the header. After an error the header is read again: the library
  // may have dropped in memory what is still on the device, and would write that with the next
  // change.
  template <class F>
  Result<int> Change(std::string_view what, F&& call) {
    return Changed(Call(what, std::forward<F>(call)));
  }

  // Sets what keyslots to be added cost.
  Status SetCost(const KeyslotCost& cost);

 private:
  CryptDevice(std::string path, std::string header_file, std::string shown_as = "")
      : path_(std::move(path)),
        header_file_(std::move(header_file)),
        shown_as_(std::move(shown_as)) {}
  Status Adopt(int rc, crypt_device* handle);
  Result<int> Changed(Result<int> result);
  Status Error(int rc, std::string_view what) const;
  static void OnLog(int level, const char* line, void* self);

  std::string path_;
  std::string header_file_;
  std::string shown_as_;
  std::string last_error_;  // line of the call under way
  CPtr<crypt_device, crypt_free> handle_;
};

inline const char* AsChars(const SecretBytes& secret) {
  return reinterpret_cast<const char*>(secret.data());
}

}  // namespace seaworthy::volumes
