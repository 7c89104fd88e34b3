#include "seaworthy/secret_bytes.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

namespace seaworthy {
namespace {

std::size_t PageSize() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// Whole pages: a lock holds for a page and does not nest, so a neighbour that goes would take it
// along.
std::size_t InPages(std::size_t size) { return (size + PageSize() - 1) / PageSize() * PageSize(); }

}  // namespace

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  const std::size_t room = InPages(size);
  data_ = static_cast<std::uint8_t*>(operator new(room, std::align_val_t(PageSize())));
  std::fill_n(data_, room, std::uint8_t{0});
  // Beyond the limit the secret is used unlocked: that is better than a volume that stays shut.
  (void)mlock(data_, room);
  (void)madvise(data_, room, MADV_DONTDUMP);
  (void)madvise(data_, room, MADV_WIPEONFORK);
}

SecretBytes SecretBytes::Copy(ByteView bytes) {
  SecretBytes copy(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.data_);
  return copy;
}

SecretBytes SecretBytes::Take(std::string& text) {
  SecretBytes copy = Copy(AsBytes(text));
  OPENSSL_cleanse(text.data(), text.size());
  return copy;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  SecretBytes taken(std::move(other));  // takes away with it what was here
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

SecretBytes::~SecretBytes() {
  if (data_ == nullptr) return;
  const std::size_t room = InPages(size_);
  OPENSSL_cleanse(data_, room);
  (void)munlock(data_, room);
  (void)madvise(data_, room, MADV_DODUMP);
  (void)madvise(data_, room, MADV_KEEPONFORK);
  operator delete(data_, std::align_val_t(PageSize()));
}

}  // namespace seaworthy
