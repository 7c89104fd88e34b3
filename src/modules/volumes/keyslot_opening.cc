#include <algorithm>
#include <limits>
#include <optional>

#include "modules/volumes/crypto.h"
#include "modules/volumes/extent.h"
#include "seaworthy/modules/volumes/header_judge.h"
#include "seaworthy/modules/volumes/unlock.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kSector = 512;

std::optional<Hash> HashOf(const std::string& name) {
  if (name == "sha256") return Hash::kSha256;
  if (name == "sha512") return Hash::kSha512;
  return std::nullopt;
}

// What is needed to open a keyslot, where it is one of those that are opened here.
struct Recipe {
  const Luks2Keyslot& keyslot;
  const Luks2Digest& digest;
  Hash kdf, af, verified;
};

std::optional<Recipe> RecipeOf(const Luks2Metadata& metadata, std::uint32_t number) {
  // Then there are two keys, and libcryptsetup knows which is meant.
  if (IsReencrypting(metadata)) return std::nullopt;
  const auto found = metadata.keyslots.find(number);
  const auto digest = std::ranges::find_if(metadata.digests, [&](const auto& one) {
    return std::ranges::find(one.second.keyslots, number) != one.second.keyslots.end();
  });
  if (found == metadata.keyslots.end() || digest == metadata.digests.end()) return std::nullopt;
  const Luks2Keyslot& keyslot = found->second;
  if (keyslot.type != "luks2" || !keyslot.kdf.has_value() || !keyslot.af.has_value()) {
    return std::nullopt;
  }
  const auto kdf = HashOf(keyslot.kdf->hash), af = HashOf(keyslot.af->hash),
             verified = HashOf(digest->second.hash);
  const bool known = kdf && af && verified && keyslot.kdf->type == "pbkdf2" &&
                     keyslot.af->type == "luks1" && keyslot.area.type == "raw" &&
                     keyslot.area.encryption == "aes-xts-plain64" &&
                     digest->second.type == "pbkdf2";
  // JudgeHeader has looked at the numbers; they are multiplied here.
  constexpr std::uint32_t kMostKey = 64, kMostStripes = 4000;
  if (!known || keyslot.key_size == 0 || keyslot.key_size > kMostKey || keyslot.af->stripes == 0 ||
      keyslot.af->stripes > kMostStripes ||
      keyslot.kdf->iterations > std::numeric_limits<std::uint32_t>::max()) {
    return std::nullopt;
  }
  return Recipe{keyslot, digest->second, *kdf, *af, *verified};
}

Result<SecretBytes> Open(int header, const Recipe& recipe, const OpenWayIn& way) {
  const Luks2Keyslot& keyslot = recipe.keyslot;
  const Luks2Kdf& kdf = *keyslot.kdf;
  const std::size_t spread = std::size_t{keyslot.key_size} * keyslot.af->stripes;
  SecretBytes area((spread + kSector - 1) / kSector * kSector);
  if (area.size() > keyslot.area.size) {
    return Fail(Code::kPermissionDenied, "HEADER_KEYSLOT_REFUSED",
                "keyslot " + std::to_string(way.keyslot) + ": its area is too small for its key");
  }
  RETURN_IF_ERROR(ReadAll(header, keyslot.area.offset, area.mutable_view()));
  ASSIGN_OR_RETURN(const SecretBytes key,
                   Pbkdf2(recipe.kdf, way.passphrase.view(), kdf.salt,
                          static_cast<std::uint32_t>(kdf.iterations), keyslot.area.key_size));
  RETURN_IF_ERROR(DecryptSectors(key.view(), area.mutable_view()));
  ASSIGN_OR_RETURN(SecretBytes volume_key,
                   MergeStripes(recipe.af, area.view().first(spread), keyslot.key_size));
  const Luks2Digest& digest = recipe.digest;
  ASSIGN_OR_RETURN(const SecretBytes verified,
                   Pbkdf2(recipe.verified, volume_key.view(), digest.salt, digest.iterations,
                          digest.digest.size()));
  if (!digest.digest.empty() && SameBytes(verified.view(), digest.digest)) return volume_key;
  return Fail(Code::kPermissionDenied, "PASSPHRASE_WRONG",
              "the passphrase does not open keyslot " + std::to_string(way.keyslot));
}

}  // namespace

Result<SecretBytes> OpenKeyslot(const HeaderCopy& header, const OpenWayIn& way) {
  if (const auto recipe = RecipeOf(header.header().metadata, way.keyslot)) {
    return Open(header.fd(), *recipe, way);
  }
  ASSIGN_OR_RETURN(const Luks luks, header.OpenAlone());
  return luks.VolumeKey(way.passphrase, static_cast<int>(way.keyslot));
}

}  // namespace seaworthy::volumes
