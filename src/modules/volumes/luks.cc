#include "seaworthy/modules/volumes/luks.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "modules/volumes/crypt_device.h"
#include "modules/volumes/signatures.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/probe.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::volumes {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kDefaultMetadata = std::uint64_t{16} << 10;
constexpr std::uint64_t kDefaultHeader = 16 * kMiB;
constexpr std::size_t kMaxLabel = 47;

Status CheckFree(const std::string& path, const DeviceState& state, bool destroy) {
  if (state.in_use) {
    const std::string by = state.users.empty() ? "" : " by " + Join(state.users);
    return Fail(Code::kFailedPrecondition, "DEVICE_IN_USE", path + ": is in use" + by);
  }
  if (!destroy && !state.signatures.empty()) {
    return Fail(Code::kFailedPrecondition, "SIGNATURE_FOUND",
                path + ": has " + Join(state.signatures) + " on it, which would be destroyed");
  }
  return {};
}

// The sizes of the header's parts, none of them left to the library or the disk's geometry.
struct Layout {
  std::uint64_t metadata = 0;
  std::uint64_t keyslots = 0;
  std::uint64_t header = 0;
};

Layout LayoutOf(const FormatOptions& options) {
  Layout layout;
  layout.metadata = options.metadata_bytes != 0 ? options.metadata_bytes : kDefaultMetadata;
  layout.keyslots =
      options.keyslots_bytes != 0 ? options.keyslots_bytes : kDefaultHeader - 2 * layout.metadata;
  layout.header = (2 * layout.metadata + layout.keyslots + kMiB - 1) / kMiB * kMiB;
  return layout;
}

Status CheckRoom(const std::string& path, std::uint64_t bytes, std::uint64_t header,
                 std::uint64_t data) {
  if (bytes >= header + data) return {};
  return Fail(Code::kFailedPrecondition, "DEVICE_TOO_SMALL",
              path + ": has " + std::to_string(bytes) + " bytes, a volume needs at least " +
                  std::to_string(header + data));
}

// What Format is about to write to, looked at before anything is written.
Status CheckTargets(const std::string& path, const FormatOptions& options, const Layout& layout) {
  const bool detached = !options.header_file.empty();
  ASSIGN_OR_RETURN(const DeviceState data, Probe(path));
  RETURN_IF_ERROR(CheckFree(path, data, options.destroy));
  RETURN_IF_ERROR(CheckRoom(path, data.bytes, detached ? 0 : layout.header, kMiB));
  if (!detached) return {};
  ASSIGN_OR_RETURN(const DeviceState header, Probe(options.header_file));
  RETURN_IF_ERROR(CheckFree(options.header_file, header, options.destroy));
  return CheckRoom(options.header_file, header.bytes, layout.header, 0);
}

Status CheckOptions(const SecretBytes& volume_key, const FormatOptions& options) {
  if (volume_key.size() != kVolumeKeyBytes) {
    return Fail(Code::kInvalidArgument, "VOLUME_KEY_SIZE",
                "volume_key: has not " + std::to_string(kVolumeKeyBytes) + " bytes");
  }
  // The library would cut it.
  if (options.label.size() > kMaxLabel || options.label.find('\0') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "LABEL_MALFORMED",
                "label: is longer than " + std::to_string(kMaxLabel) + " bytes, or has a zero");
  }
  // Above both the library calculates with what it has not checked.
  if (options.metadata_bytes > 4 * kMiB || options.keyslots_bytes > 128 * kMiB) {
    return Fail(Code::kInvalidArgument, "LUKS_REFUSED",
                "metadata_bytes: more than 4 MiB, or keyslots_bytes: more than 128 MiB");
  }
  return {};
}

// The first bytes of a header copy: a magic and, big-endian, the version.
constexpr std::array<std::uint8_t, 6> kMagic = {'L', 'U', 'K', 'S', 0xba, 0xbe};
constexpr std::array<std::uint8_t, 6> kSecondMagic = {'S', 'K', 'U', 'L', 0xba, 0xbe};

bool HasMagic(int fd, off_t offset, const std::array<std::uint8_t, 6>& magic, int version) {
  std::array<std::uint8_t, 8> head{};
  return pread(fd, head.data(), head.size(), offset) == static_cast<ssize_t>(head.size()) &&
         std::memcmp(head.data(), magic.data(), magic.size()) == 0 &&
         head[6] * 256 + head[7] == version;
}

// Why the library did not load the header.
Status NotLoaded(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return FromErrno(errno, "open " + path);
  if (HasMagic(fd.get(), 0, kMagic, 1)) {
    return Fail(Code::kFailedPrecondition, "LUKS1_HEADER",
                path +
                    ": is a LUKS1 volume, which has no tokens; cryptsetup convert makes LUKS2 "
                    "of it");
  }
  bool any = HasMagic(fd.get(), 0, kMagic, 2);
  // The second copy follows the first, whose size is one of these.
  for (off_t offset = 0x4000; offset <= 0x400000; offset *= 2) {
    any = any || HasMagic(fd.get(), offset, kSecondMagic, 2);
  }
  return any ? Fail(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED",
                    path + ": no copy of the LUKS2 header is sound; restore a backup of it")
             : Fail(Code::kFailedPrecondition, "NOT_LUKS", path + ": is not a LUKS volume");
}

}  // namespace

Luks::Luks(std::unique_ptr<CryptDevice> device) : device_(std::move(device)) {}
Luks::Luks(Luks&&) noexcept = default;
Luks& Luks::operator=(Luks&&) noexcept = default;
Luks::~Luks() = default;

Result<Luks> Luks::Format(const std::string& path, const SecretBytes& volume_key,
                          const FormatOptions& options) {
  RETURN_IF_ERROR(CheckOptions(volume_key, options));
  const Layout layout = LayoutOf(options);
  RETURN_IF_ERROR(CheckTargets(path, options, layout));
  const bool detached = !options.header_file.empty();
  if (options.destroy) {
    RETURN_IF_ERROR(WipeSignatures(path));
    if (detached) RETURN_IF_ERROR(WipeSignatures(options.header_file));
  }

  ASSIGN_OR_RETURN(auto device, CryptDevice::Create(path, options.header_file));
  RETURN_IF_ERROR(device->SetCost(KeyslotCost::ForRandomSecret()));
  const auto call = [&](auto function) { return device->Call("format", function).status(); };
  RETURN_IF_ERROR(call([&](crypt_device* handle) {
    return crypt_set_metadata_size(handle, layout.metadata, layout.keyslots);
  }));
  RETURN_IF_ERROR(call([&](crypt_device* handle) {
    return crypt_set_data_offset(handle, detached ? 0 : layout.header / kSector);
  }));
  crypt_params_luks2 parameters = {};
  parameters.sector_size = options.sector_size;
  if (!options.label.empty()) parameters.label = options.label.c_str();
  if (detached) parameters.data_device = path.c_str();
  RETURN_IF_ERROR(call([&](crypt_device* handle) {
    return crypt_format(handle, CRYPT_LUKS2, "aes", "xts-plain64", nullptr, AsChars(volume_key),
                        volume_key.size(), &parameters);
  }));
  return Luks(std::move(device));
}

Result<Luks> Luks::Open(const std::string& path, const std::string& header_file,
                        const std::string& shown_as) {
  ASSIGN_OR_RETURN(auto device, CryptDevice::Create(path, header_file, shown_as));
  const Result<int> loaded = device->Call("read the header", [](crypt_device* handle) {
    return crypt_load(handle, CRYPT_LUKS2, nullptr);
  });
  if (loaded.ok()) return Luks(std::move(device));
  // A file shorter than a header is a failed read to the library.
  const std::string reason = Reason(loaded.status());
  if (reason == "LUKS_REFUSED" || reason == "DEVICE_IO") return NotLoaded(device->header_path());
  return loaded.status();
}

const std::string& Luks::path() const { return device_->path(); }

std::string Luks::uuid() const { return crypt_get_uuid(device_->get()); }

std::string Luks::label() const {
  const char* label = crypt_get_label(device_->get());
  return label != nullptr ? label : "";
}

}  // namespace seaworthy::volumes
