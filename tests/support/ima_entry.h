// Entries of the kernel's IMA list.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/ima_list.h"
#include "verify/little_endian.h"
#include "verify/short_digest.h"

namespace seaworthy::testing {

// An entry of a template with fields, as the kernel makes it.
inline Bytes MakeImaEntry(const std::string& name, const std::vector<std::string>& fields,
                          bool violation = false) {
  Bytes data;
  for (const std::string& field : fields) {
    verify::AppendLittleEndian32(static_cast<std::uint32_t>(field.size()), data);
    data.insert(data.end(), field.begin(), field.end());
  }
  Bytes digest(20);
  if (!violation) verify::ShortDigest(TPM2_ALG_SHA1, {data}, digest.data());
  Bytes entry;
  verify::AppendLittleEndian32(10, entry);
  entry.insert(entry.end(), digest.begin(), digest.end());
  verify::AppendLittleEndian32(static_cast<std::uint32_t>(name.size()), entry);
  entry.insert(entry.end(), name.begin(), name.end());
  verify::AppendLittleEndian32(static_cast<std::uint32_t>(data.size()), entry);
  entry.insert(entry.end(), data.begin(), data.end());
  return entry;
}

// Of ima-ng, for a file with this SHA-256 digest.
inline Bytes MakeImaNgEntry(const std::string& path, ByteView sha256) {
  std::string digest("sha256:", 8);
  digest.append(AsText(sha256));
  return MakeImaEntry("ima-ng", {digest, std::string(path.c_str(), path.size() + 1)});
}

// What the kernel extends PCR 10 of the bank SHA-256 by for the entry.
inline Bytes ImaExtension(ByteView entry) {
  verify::ImaListReader reader;
  reader.Add(entry);
  Bytes digest(32);
  verify::ShortDigest(TPM2_ALG_SHA256, {reader.Next().value().value().template_data},
                      digest.data());
  return digest;
}

}  // namespace seaworthy::testing
