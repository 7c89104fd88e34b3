#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "seaworthy/ima_list.h"
#include "verify/digest.h"
#include "verify/short_digest.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kPaddedName = 256;  // IMA_EVENT_NAME_LEN_MAX and a NUL

// The name in the data of the template "ima", which begins with the file's digest and a length.
ByteView OldName(const ImaEntry& entry) { return entry.template_data.subspan(kSha1Size + 4); }

void TemplateDigest(std::uint16_t hash, const ImaEntry& entry, std::uint8_t* out) {
  if (entry.template_name != "ima") return ShortDigest(hash, {entry.template_data}, out);
  std::array<std::uint8_t, kPaddedName> name{};
  std::ranges::copy(OldName(entry), name.begin());
  ShortDigest(hash, {entry.template_data.first(kSha1Size), name}, out);
}

}  // namespace

std::array<std::uint8_t, 20> ImaTemplateSha1(const ImaEntry& entry) {
  std::array<std::uint8_t, 20> digest;
  TemplateDigest(TPM2_ALG_SHA1, entry, digest.data());
  return digest;
}

Result<ImaReplay> ImaReplay::Start(std::uint16_t bank) {
  const std::size_t size = DigestSize(bank);
  if (size == 0) {
    return Fail(Code::kInvalidArgument, "UNSUPPORTED_HASH",
                "the IMA list cannot be replayed in the bank " + HashName(bank));
  }
  ImaReplay replay(bank, size);
  // SHA-1's own bank has one form.
  replay.both_ = bank != TPM2_ALG_SHA1;
  return replay;
}

Result<ImaReplay> ImaReplay::Resume(std::uint16_t bank, Form form, ByteView value) {
  Result<ImaReplay> replay = Start(bank);
  if (!replay.ok()) return replay;
  if (value.size() != replay->size_) {
    return Fail(
        Code::kInvalidArgument, "MALFORMED",
        "a value of " + std::to_string(value.size()) + " bytes in the bank " + HashName(bank));
  }
  replay->both_ = false;
  replay->form_ = form;
  std::ranges::copy(value, replay->values_[static_cast<std::size_t>(form)].begin());
  return replay;
}

void ImaReplay::Extend(const ImaEntry& entry, ByteView sha1) {
  std::array<std::uint8_t, 64> digest;
  const auto extend = [&](Form form) {
    auto& value = values_[static_cast<std::size_t>(form)];
    ShortDigest(bank_, {{value.data(), size_}, {digest.data(), size_}}, value.data());
  };
  if (entry.IsViolation()) {
    // What no digest can be: so that nobody takes the file for one that was measured.
    digest.fill(0xff);
    if (both_ || form_ == Form::kNative) extend(Form::kNative);
    if (both_ || form_ == Form::kPaddedSha1) extend(Form::kPaddedSha1);
    return;
  }
  if (both_ || form_ == Form::kNative) {
    if (bank_ == TPM2_ALG_SHA1) {
      std::ranges::copy(sha1, digest.begin());
    } else {
      TemplateDigest(bank_, entry, digest.data());
    }
    extend(Form::kNative);
  }
  if (both_ || form_ == Form::kPaddedSha1) {
    digest.fill(0);
    std::ranges::copy(sha1, digest.begin());
    extend(Form::kPaddedSha1);
  }
}

void ImaReplay::Settle(Form form) {
  both_ = false;
  form_ = form;
}

std::optional<ImaReplay::Form> ImaReplay::Find(ByteView value) const {
  for (const Form form : {Form::kNative, Form::kPaddedSha1}) {
    if ((both_ || form_ == form) && std::ranges::equal(Value(form), value)) return form;
  }
  return std::nullopt;
}

std::optional<std::size_t> QuotedPrefix(ByteView list, std::uint16_t bank, ByteView pcr10) {
  Result<ImaReplay> replay = ImaReplay::Start(bank);
  if (!replay.ok()) return std::nullopt;
  ImaListReader reader;
  reader.Add(list);
  while (!replay->Find(pcr10)) {
    const Result<std::optional<ImaEntry>> entry = reader.Next();
    if (!entry.ok() || !entry->has_value()) return std::nullopt;
    if ((*entry)->pcr == kImaPcr) replay->Extend(**entry, ImaTemplateSha1(**entry));
  }
  return list.size() - reader.rest();
}

ByteView ImaReplay::Value(Form form) const {
  return {values_[static_cast<std::size_t>(form)].data(), size_};
}

}  // namespace seaworthy::verify
