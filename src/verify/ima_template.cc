#include "verify/ima_template.h"

#include <algorithm>
#include <utility>

#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::pair<std::string_view, ImaFieldForm> kFields[] = {
    {"d", ImaFieldForm::kDigest},
    {"d-ng", ImaFieldForm::kDigestWithHash},
    {"d-modsig", ImaFieldForm::kDigestWithHash},
    {"d-ngv2", ImaFieldForm::kDigestWithType},
    {"n", ImaFieldForm::kString},
    {"n-ng", ImaFieldForm::kString},
    {"xattrnames", ImaFieldForm::kString},
    {"sig", ImaFieldForm::kHex},
    {"buf", ImaFieldForm::kHex},
    {"modsig", ImaFieldForm::kHex},
    {"evmsig", ImaFieldForm::kHex},
    {"xattrlengths", ImaFieldForm::kHex},
    {"xattrvalues", ImaFieldForm::kHex},
    {"iuid", ImaFieldForm::kNumber},
    {"igid", ImaFieldForm::kNumber},
    {"imode", ImaFieldForm::kNumber},
};

Status Malformed(const ImaEntry& entry, std::string_view what) {
  return Fail(Code::kInvalidArgument, "IMA_LIST_MALFORMED",
              "entry " + std::to_string(entry.number) + " of the IMA list: " + std::string(what));
}

// "sha256:", a NUL, the digest; with a type before it in d-ngv2: "verity:sha256:".
bool SplitDigest(ByteView data, std::string_view& hash, ByteView& digest, bool* verity) {
  const std::string_view text = AsText(data);
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos || end == 0 || text[end - 1] != ':') return false;
  hash = text.substr(0, end - 1);
  if (verity != nullptr) {
    const std::size_t colon = hash.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view type = hash.substr(0, colon);
    if (type != "ima" && type != "verity") return false;
    *verity = type == "verity";
    hash.remove_prefix(colon + 1);
  }
  digest = data.subspan(end + 1);
  return true;
}

bool Take(std::string_view id, ByteView data, ImaFields& fields) {
  if (id == "d-ng") return SplitDigest(data, fields.hash, fields.digest, nullptr);
  if (id == "d-ngv2") return SplitDigest(data, fields.hash, fields.digest, &fields.verity);
  if (id == "n-ng" || id == "n") {
    fields.path = AsText(data);
    // A name has its NUL with it.
    if (fields.path.empty() || fields.path.back() != '\0') return false;
    fields.path.remove_suffix(1);
    return fields.path.find('\0') == std::string_view::npos;
  }
  if (id == "d") {
    // SHA-1 or MD5, and does not say which.
    fields.hash = data.size() == 20 ? "sha1" : "md5";
    fields.digest = data;
    return data.size() == 20 || data.size() == 16;
  }
  if (id == "sig") fields.signature = data;
  if (id == "buf") fields.buffer = data;
  if (id == "modsig") fields.modsig = data;
  if (id == "evmsig") fields.evm_signature = data;
  if (id == "d-modsig" && !data.empty()) {
    return SplitDigest(data, fields.modsig_hash, fields.modsig_digest, nullptr);
  }
  return true;
}

// The oldest template: no lengths, but for the name's, which has no NUL.
Result<ImaFields> ParseOld(const ImaEntry& entry) {
  ImaFields fields;
  fields.hash = "sha1";
  fields.digest = entry.template_data.first(20);
  fields.path = AsText(entry.template_data.subspan(24));
  if (fields.path.find('\0') != std::string_view::npos) {
    return Malformed(entry, "the name has a NUL in it");
  }
  return fields;
}

template <class F>
bool EachField(std::string_view format, F&& f) {
  while (true) {
    const std::size_t bar = format.find('|');
    if (!f(format.substr(0, bar))) return false;
    if (bar == std::string_view::npos) return true;
    format.remove_prefix(bar + 1);
  }
}

std::string_view FormatOf(std::string_view name) {
  for (const auto& [known, fields] : kImaTemplates) {
    if (known == name) return fields;
  }
  return name;
}

}  // namespace

std::vector<std::string_view> ImaTemplateFields(std::string_view name) {
  std::vector<std::string_view> ids;
  EachField(FormatOf(name), [&](std::string_view id) {
    ids.push_back(id);
    return true;
  });
  return ids;
}

std::optional<ImaFieldForm> FindImaFieldForm(std::string_view id) {
  const auto* found =
      std::ranges::find(kFields, id, &std::pair<std::string_view, ImaFieldForm>::first);
  if (found == std::end(kFields)) return std::nullopt;
  return found->second;
}

Result<ImaFields> ParseImaFields(const ImaEntry& entry) {
  if (entry.template_name == "ima") return ParseOld(entry);
  ImaFields fields;
  ByteView rest = entry.template_data;
  Status status;
  EachField(FormatOf(entry.template_name), [&](std::string_view id) {
    if (!FindImaFieldForm(id)) {
      status = Fail(Code::kInvalidArgument, "IMA_TEMPLATE_UNKNOWN",
                    "entry " + std::to_string(entry.number) + " of the IMA list: its template '" +
                        std::string(entry.template_name) + "' has a field that is not known");
      return false;
    }
    const std::size_t size = rest.size() < 4 ? 0 : LittleEndian32(rest);
    if (rest.size() < 4 || rest.size() - 4 < size) {
      status = Malformed(entry, "the field " + std::string(id) + " is cut short");
      return false;
    }
    if (!Take(id, rest.subspan(4, size), fields)) {
      status = Malformed(entry, "the field " + std::string(id) + " is not one");
      return false;
    }
    rest = rest.subspan(4 + size);
    return true;
  });
  if (!status.ok()) return status;
  if (!rest.empty()) return Malformed(entry, "bytes follow the last field");
  return fields;
}

}  // namespace seaworthy::verify
