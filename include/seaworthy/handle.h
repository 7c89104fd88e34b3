// RAII for handles of C libraries and for file descriptors.
#pragma once

#include <unistd.h>

#include <memory>
#include <utility>

namespace seaworthy {

template <auto Free>
struct CDelete {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};

// A C library's object, freed by its own function: CPtr<X509, X509_free>.
template <class T, auto Free>
using CPtr = std::unique_ptr<T, CDelete<Free>>;

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace seaworthy
