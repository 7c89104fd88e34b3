#include "seaworthy/modules/volumes/header_guard.h"

#include <algorithm>

#include "modules/volumes/crypto.h"
#include "modules/volumes/header_parts.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

// What the keys are for: no two uses of one key, and none for other versions of the record.
constexpr std::string_view kWrapInfo = "seaworthy header guard";
constexpr std::string_view kMacInfo = "seaworthy header guard record";
constexpr std::string_view kKeyIdInfo = "seaworthy header guard key";
constexpr std::uint64_t kVersion = 1;

constexpr std::size_t kMinSecret = 16;

Status Tampered(const std::string& what) {
  return Fail(Code::kPermissionDenied, "HEADER_TAMPERED", what);
}

Status Unguarded(const std::string& what) {
  return Fail(Code::kFailedPrecondition, "HEADER_UNGUARDED", what);
}

std::string Named(std::uint32_t keyslot) { return "keyslot " + std::to_string(keyslot); }

void AppendNumber(std::uint64_t value, Bytes& out) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift & 0xff));
  }
}

// With its length before it: no two lists of texts are the same bytes.
void AppendText(std::string_view text, Bytes& out) {
  AppendNumber(text.size(), out);
  out.insert(out.end(), text.begin(), text.end());
}

Result<Bytes> DigestOf(const HeaderParts& parts) {
  Bytes all;
  AppendNumber(parts.size(), all);
  for (const auto& [name, digest] : parts) {
    AppendText(name, all);
    AppendText(AsText(digest), all);
  }
  return Sha256Of(all);
}

Result<Bytes> MacOf(const SecretBytes& guard_key, const std::string& uuid,
                    const GuardRecord& record) {
  Bytes said;
  AppendText(kMacInfo, said);
  AppendNumber(kVersion, said);
  AppendText(uuid, said);
  AppendNumber(record.nv_index, said);
  AppendNumber(record.generation, said);
  AppendText(AsText(record.digest), said);
  return HmacSha256(guard_key.view(), said);
}

Result<SecretBytes> WrappingKey(const std::string& uuid, const WayIn& way_in) {
  Bytes info;
  AppendText(kWrapInfo, info);
  AppendText(uuid, info);
  AppendNumber(way_in.keyslot, info);
  return Hkdf(Hash::kSha256, way_in.secret, info);
}

Result<Bytes> WrapKey(const SecretBytes& guard_key, const std::string& uuid, const WayIn& way_in) {
  ASSIGN_OR_RETURN(const SecretBytes key, WrappingKey(uuid, way_in));
  ASSIGN_OR_RETURN(const GcmBox box,
                   SealAes256Gcm(key.view(), AsBytes(kWrapInfo), guard_key.view()));
  Bytes wrapped = box.nonce;
  wrapped.insert(wrapped.end(), box.ciphertext.begin(), box.ciphertext.end());
  wrapped.insert(wrapped.end(), box.tag.begin(), box.tag.end());
  return wrapped;
}

Result<SecretBytes> UnwrapKey(const GuardRecord& record, const std::string& uuid,
                              const WayIn& through) {
  const auto found = record.keys.find(through.keyslot);
  if (found == record.keys.end()) {
    return Unguarded("the record of the header has no key for " + Named(through.keyslot));
  }
  const Bytes& wrapped = found->second;
  if (wrapped.size() != kGcmNonceSize + kAes256Size + kGcmTagSize) {
    return Tampered("the record's key for " + Named(through.keyslot) + " has another size");
  }
  const auto ciphertext = wrapped.begin() + kGcmNonceSize;
  const auto tag = ciphertext + kAes256Size;
  ASSIGN_OR_RETURN(const SecretBytes key, WrappingKey(uuid, through));
  Result<SecretBytes> guard_key = OpenAes256Gcm(key.view(), AsBytes(kWrapInfo),
                                                {.nonce = Bytes(wrapped.begin(), ciphertext),
                                                 .ciphertext = Bytes(ciphertext, tag),
                                                 .tag = Bytes(tag, wrapped.end())});
  if (!guard_key.ok()) {
    return Tampered("the record's key does not open with the secret of " + Named(through.keyslot) +
                    ": the record or the UUID was changed, or is of another volume");
  }
  return guard_key;
}

Status CheckWayIn(const Luks2Metadata& metadata, const WayIn& way_in) {
  const auto refuse = [&](std::string_view what) {
    return Fail(Code::kInvalidArgument, "GUARD_WAY_IN",
                Named(way_in.keyslot) + " " + std::string(what));
  };
  if (way_in.secret.size() < kMinSecret) return refuse("has a secret of less than 16 bytes");
  const auto keyslot = metadata.keyslots.find(way_in.keyslot);
  if (keyslot == metadata.keyslots.end() || keyslot->second.type != "luks2") {
    return refuse("is not one of the volume");
  }
  return {};
}

// The record of what is, without keys and MAC.
Result<GuardRecord> Describe(const ReadHeader& now, const GuardCounter& counter) {
  GuardRecord record;
  record.generation = counter.value;
  record.nv_index = counter.nv_index;
  ASSIGN_OR_RETURN(record.parts, PartsOf(now.header.metadata, now.areas));
  ASSIGN_OR_RETURN(record.digest, DigestOf(record.parts));
  return record;
}

Status WrapFor(std::span<const WayIn> ways_in, const SecretBytes& guard_key,
               const Luks2Header& header, GuardRecord& record) {
  for (const WayIn& way_in : ways_in) {
    RETURN_IF_ERROR(CheckWayIn(header.metadata, way_in));
    ASSIGN_OR_RETURN(record.keys[way_in.keyslot], WrapKey(guard_key, header.uuid, way_in));
  }
  return {};
}

// The guard key wrote this record, all of it but the wrapped keys, which speak for themselves.
Status CheckRecord(const SecretBytes& guard_key, const std::string& uuid,
                   const GuardRecord& record) {
  ASSIGN_OR_RETURN(const Bytes mac, MacOf(guard_key, uuid, record));
  ASSIGN_OR_RETURN(const Bytes digest, DigestOf(record.parts));
  if (SameBytes(mac, record.mac) && SameBytes(digest, record.digest)) return {};
  return Tampered("the record of the header was changed: its MAC is wrong");
}

// "keyslot 3 (added), segment 0 (changed)"
std::string Differences(const HeaderParts& recorded, const HeaderParts& found,
                        const MayDiffer& may_differ) {
  std::string differences;
  const auto tell = [&](const std::string& part, std::string_view how) {
    if (may_differ && may_differ(part)) return;
    differences += (differences.empty() ? "" : ", ") + part + " (" + std::string(how) + ")";
  };
  for (const auto& [part, digest] : recorded) {
    const auto now = found.find(part);
    if (now == found.end() && !part.starts_with(kFormer)) tell(part, "removed");
    if (now != found.end() && now->second != digest) tell(part, "changed");
  }
  for (const auto& [part, digest] : found) {
    if (!recorded.contains(part)) tell(part, "added");
  }
  return differences;
}

bool IsAnnounced(const std::string& part) { return part.starts_with(kAfterwards); }

Status CheckParts(const GuardRecord& record, const HeaderParts& found,
                  const MayDiffer& may_differ) {
  const bool over = AnnouncesReencryption(record) &&
                    std::ranges::none_of(found, IsAnnounced, &HeaderParts::value_type::first);
  const std::string differences =
      Differences(over ? PartsAfterwards(record.parts) : record.parts, found, may_differ);
  if (differences.empty()) return {};
  return Tampered("the header is not as it was recorded: " + differences);
}

Status CheckCounter(const GuardRecord& record, const std::optional<GuardCounter>& counter) {
  // A record from before there was a counter would stay good for ever.
  if (record.nv_index != (counter ? counter->nv_index : 0)) {
    return Fail(Code::kPermissionDenied, "HEADER_ROLLED_BACK",
                "the record of the header belongs to another counter of the TPM than the volume");
  }
  if (!counter) return {};
  const std::string numbers = "the record of the header has generation " +
                              std::to_string(record.generation) + ", and the TPM counted to " +
                              std::to_string(counter->value);
  if (record.generation < counter->value) {
    return Fail(Code::kPermissionDenied, "HEADER_ROLLED_BACK",
                numbers + ": an older header was put back");
  }
  if (record.generation > counter->value + 1) {
    return Fail(Code::kPermissionDenied, "HEADER_COUNTER_BEHIND",
                numbers + ": that is not the counter that it was");
  }
  return {};
}

}  // namespace

bool AnnouncesReencryption(const GuardRecord& record) {
  return std::ranges::any_of(record.parts, IsAnnounced, &HeaderParts::value_type::first);
}

Result<GuardRecord> FindGuard(const Luks2Metadata& metadata) {
  const Luks2Token* found = nullptr;
  for (const auto& [number, token] : metadata.tokens) {
    if (token.type != kGuard) continue;
    if (found != nullptr) return Tampered("the header has two records of itself");
    found = &token;
  }
  if (found == nullptr) return Unguarded("the header has no record of itself");
  Result<GuardRecord> record = ParseGuardRecord(found->json);
  if (!record.ok()) {
    return Tampered("the record of the header cannot be read: " + Message(record.status()));
  }
  return record;
}

Result<GuardRecord> MakeGuard(const ReadHeader& now, const GuardCounter& counter,
                              std::span<const WayIn> ways_in) {
  if (ways_in.empty()) {
    return Fail(Code::kInvalidArgument, "GUARD_WAY_IN", "there is no way in to guard");
  }
  ASSIGN_OR_RETURN(GuardRecord record, Describe(now, counter));
  ASSIGN_OR_RETURN(const SecretBytes guard_key, RandomSecret(kAes256Size));
  RETURN_IF_ERROR(WrapFor(ways_in, guard_key, now.header, record));
  ASSIGN_OR_RETURN(record.mac, MacOf(guard_key, now.header.uuid, record));
  return record;
}

Result<GuardProof> CheckGuard(const ReadHeader& now, const WayIn& through,
                              const std::optional<GuardCounter>& counter) {
  ASSIGN_OR_RETURN(GuardRecord record, FindGuard(now.header.metadata));
  return CheckGuard(now, std::move(record), through, counter);
}

Result<GuardProof> CheckGuard(const ReadHeader& now, GuardRecord record, const WayIn& through,
                              const std::optional<GuardCounter>& counter) {
  ASSIGN_OR_RETURN(const SecretBytes guard_key, UnwrapKey(record, now.header.uuid, through));
  RETURN_IF_ERROR(CheckRecord(guard_key, now.header.uuid, record));
  ASSIGN_OR_RETURN(const HeaderParts parts, PartsOf(now.header.metadata, now.areas));
  RETURN_IF_ERROR(CheckParts(record, parts, nullptr));
  RETURN_IF_ERROR(CheckCounter(record, counter));
  ASSIGN_OR_RETURN(const Bytes key_id, HmacSha256(guard_key.view(), AsBytes(kKeyIdInfo)));
  return GuardProof{.record = std::move(record), .key_id = Hex(key_id)};
}

Status CheckGuardKey(const GuardProof& proof, std::span<const std::string> noted) {
  if (noted.empty() || std::ranges::find(noted, proof.key_id) != noted.end()) return {};
  return Fail(Code::kPermissionDenied, "GUARD_KEY_CHANGED",
              "the record of the header is under the guard key " + proof.key_id +
                  ", and that of the volume was noted as " + noted.back() +
                  ": somebody who knows or knew a secret put another header or volume there, or "
                  "another node changed it. Where that was you, accept the header by the recovery "
                  "key (AcceptHeader)");
}

Result<GuardRecord> RenewGuard(const GuardRecord& present, const ReadHeader& now,
                               const GuardCounter& counter, const WayIn& through,
                               std::span<const WayIn> more, const MayDiffer& may_differ) {
  ASSIGN_OR_RETURN(const SecretBytes guard_key, UnwrapKey(present, now.header.uuid, through));
  RETURN_IF_ERROR(CheckRecord(guard_key, now.header.uuid, present));
  if (counter.value <= present.generation) {
    return Fail(Code::kInvalidArgument, "GUARD_GENERATION",
                "generation " + std::to_string(counter.value) + " does not come after " +
                    std::to_string(present.generation));
  }
  ASSIGN_OR_RETURN(GuardRecord record, Describe(now, counter));
  RETURN_IF_ERROR(CheckParts(present, record.parts, may_differ));
  for (const auto& [keyslot, key] : present.keys) {
    if (now.header.metadata.keyslots.contains(keyslot)) record.keys[keyslot] = key;
  }
  RETURN_IF_ERROR(WrapFor(more, guard_key, now.header, record));
  ASSIGN_OR_RETURN(record.mac, MacOf(guard_key, now.header.uuid, record));
  return record;
}

}  // namespace seaworthy::volumes
