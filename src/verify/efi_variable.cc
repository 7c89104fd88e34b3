#include "verify/efi_variable.h"

#include <openssl/x509.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <utility>

#include "seaworthy/handle.h"
#include "verify/digest.h"
#include "verify/efi_device_path.h"
#include "verify/efi_text.h"
#include "verify/little_endian.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kListHeaderSize = 16 + 4 + 4 + 4;  // EFI_SIGNATURE_LIST
constexpr std::size_t kSha256Size = TPM2_SHA256_DIGEST_SIZE;

// UEFI 2.10, 32.4.1: types of signature lists.
constexpr std::string_view kX509List = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";
constexpr std::string_view kSha256List = "c1c41626-504c-4092-aca9-41f936934328";

// No certificate with a key and a signature is shorter: what is, is not worth a parser's time.
constexpr std::size_t kMinCertificateSize = 128;

constexpr std::size_t kSubjectsInSentence = 4;

std::string SubjectOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  // UTF-8 as it is: Printable escapes what must not be printed.
  constexpr unsigned long kFlags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
  if (bio == nullptr ||
      X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, kFlags) < 0) {
    return {};
  }
  const std::uint8_t* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return PrintableUtf8({text, static_cast<std::size_t>(std::max(size, 0L))});
}

Certificate ParseCertificate(ByteView der) {
  const QuietOpenssl quiet;
  Certificate certificate;
  if (Result<Bytes> digest = Digest(TPM2_ALG_SHA256, der); digest.ok()) {
    certificate.sha256 = *std::move(digest);
  }
  const std::uint8_t* at = der.data();
  const X509Ptr parsed(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (parsed != nullptr && at == der.data() + der.size()) {
    certificate.subject = SubjectOf(parsed.get());
  }
  return certificate;
}

void AddList(const std::string& type, ByteView entries, std::size_t entry_size,
             SignatureDatabase& database) {
  for (; entries.size() >= entry_size; entries = entries.subspan(entry_size)) {
    const ByteView entry = entries.subspan(kSignatureOwnerSize, entry_size - kSignatureOwnerSize);
    if (type == kX509List && entry.size() >= kMinCertificateSize) {
      database.certificates.push_back(ParseCertificate(entry));
    } else if (type == kSha256List && entry.size() == kSha256Size) {
      database.sha256_hashes.emplace_back(entry.begin(), entry.end());
    } else {
      ++database.others;
    }
  }
}

// EFI_SIGNATURE_LISTs one after the other; none at all in a database that is empty.
std::optional<SignatureDatabase> ParseSignatureLists(ByteView value) {
  SignatureDatabase database;
  LittleEndianReader reader(value);
  while (!reader.rest().empty()) {
    const std::string type = GuidText(reader.Take(16));
    const std::uint64_t list_size = reader.U32();
    const std::uint64_t header_size = reader.U32();
    const std::size_t entry_size = reader.U32();
    if (!reader.ok() || list_size < kListHeaderSize + header_size ||
        entry_size <= kSignatureOwnerSize) {
      return std::nullopt;
    }
    reader.Take(header_size);
    const ByteView entries = reader.Take(list_size - kListHeaderSize - header_size);
    if (!reader.ok() || entries.size() % entry_size != 0) return std::nullopt;
    AddList(type, entries, entry_size, database);
  }
  return database;
}

std::optional<SignatureDatabase> ParseSignatureData(ByteView value) {
  if (value.size() <= kSignatureOwnerSize) return std::nullopt;
  const ByteView entry = value.subspan(kSignatureOwnerSize);
  SignatureDatabase database;
  if (entry.size() == kSha256Size) {
    database.sha256_hashes.emplace_back(entry.begin(), entry.end());
    return database;
  }
  Certificate certificate = ParseCertificate(entry);
  if (certificate.subject.empty()) return std::nullopt;
  database.certificates.push_back(std::move(certificate));
  return database;
}

// EFI_LOAD_OPTION (UEFI 2.10, 3.1.3).
std::optional<LoadOption> ParseLoadOption(ByteView value) {
  LittleEndianReader reader(value);
  const bool active = (reader.U32() & 1) != 0;
  const std::uint16_t path_size = reader.U16();
  const ByteView rest = reader.rest();
  while (reader.ok() && reader.U16() != 0) {
  }
  const ByteView description = rest.first(rest.size() - reader.rest().size());
  const ByteView path = reader.Take(path_size);
  if (!reader.ok()) return std::nullopt;
  return LoadOption{active, PrintableUtf16(description), DevicePathText(path)};
}

std::vector<std::uint16_t> ParseOrder(ByteView value) {
  std::vector<std::uint16_t> order;
  LittleEndianReader reader(value);
  while (reader.rest().size() >= 2) order.push_back(reader.U16());
  return order;
}

// "Boot" and four hexadecimal digits.
bool IsLoadOption(std::string_view name) {
  for (const std::string_view kind : {"Boot", "Driver", "SysPrep", "OsRecovery"}) {
    if (name.size() == kind.size() + 4 && name.starts_with(kind) &&
        name.find_first_not_of("0123456789ABCDEFabcdef", kind.size()) == name.npos) {
      return true;
    }
  }
  return false;
}

bool IsSignatureDatabase(std::string_view name) {
  static constexpr std::string_view kNames[] = {"PK",        "KEK",        "db",      "dbx",
                                                "dbt",       "dbr",        "MokList", "MokListX",
                                                "MokListRT", "MokListXRT", "devdb"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

bool IsOrder(std::string_view name) {
  return name == "BootOrder" || name == "DriverOrder" || name == "SysPrepOrder";
}

std::string FourDigits(std::uint16_t number) {
  const std::uint8_t bytes[] = {static_cast<std::uint8_t>(number >> 8),
                                static_cast<std::uint8_t>(number & 0xff)};
  return Hex(bytes);
}

std::string Count(std::size_t count, const std::string& thing, const char* plural = "s") {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : plural);
}

std::string DatabaseText(const SignatureDatabase& database) {
  const std::size_t certificates = database.certificates.size();
  std::string text = Count(certificates, "certificate");
  for (std::size_t i = 0; i < std::min(certificates, kSubjectsInSentence); ++i) {
    const std::string& subject = database.certificates[i].subject;
    text += (i == 0 ? " (" : "; ") + (subject.empty() ? "unreadable" : subject);
  }
  if (certificates > kSubjectsInSentence) text += "; ...";
  if (certificates > 0) text += ")";
  text += ", " + Count(database.sha256_hashes.size(), "image hash", "es");
  if (database.others > 0) text += ", " + std::to_string(database.others) + " of other kinds";
  return text;
}

}  // namespace

std::optional<EfiVariable> ParseEfiVariable(ByteView data, bool authority) {
  LittleEndianReader reader(data);
  EfiVariable variable;
  variable.guid = GuidText(reader.Take(16));
  const std::uint64_t name_length = reader.U64();  // in units of 16 bits
  const std::uint64_t value_size = reader.U64();
  if (!reader.ok() || name_length > data.size()) return std::nullopt;
  variable.name = PrintableUtf16(reader.Take(2 * name_length));
  const ByteView value = reader.Take(value_size);
  if (!reader.ok() || !reader.rest().empty()) return std::nullopt;
  variable.value = {value.begin(), value.end()};
  if (variable.name == "SbatLevel") {
    variable.text = PrintableUtf8(WithoutNuls(value));
  } else if (IsOrder(variable.name)) {
    variable.order = ParseOrder(value);
  } else if (IsLoadOption(variable.name)) {
    variable.load_option = ParseLoadOption(value);
  } else if (authority) {
    variable.signatures = ParseSignatureData(value);
  } else if (IsSignatureDatabase(variable.name)) {
    variable.signatures = ParseSignatureLists(value);
  }
  return variable;
}

ByteView EfiVariableValue(ByteView data) {
  LittleEndianReader reader(data);
  reader.Take(16);
  const std::uint64_t name_length = reader.U64();
  const std::uint64_t value_size = reader.U64();
  if (!reader.ok() || name_length > data.size()) return {};
  reader.Take(2 * name_length);
  return reader.Take(value_size);
}

std::string EfiVariableSentence(const EfiVariable& variable, bool authority) {
  if (authority && variable.signatures) {
    return "An image was verified with an entry of " + variable.name + ": " +
           DatabaseText(*variable.signatures) + ".";
  }
  if (variable.signatures) {
    return "The signature database " + variable.name + " has " +
           DatabaseText(*variable.signatures) + ".";
  }
  if (variable.load_option) {
    const LoadOption& option = *variable.load_option;
    return variable.name + (option.active ? " is \"" : ", not active, is \"") + option.description +
           "\", " + option.device_path + ".";
  }
  if (!variable.text.empty()) return variable.name + " is: " + variable.text;
  if (IsOrder(variable.name)) {
    std::string text = variable.name + " is";
    for (const std::uint16_t number : variable.order) text += " " + FourDigits(number);
    return text + (variable.order.empty() ? " empty." : ".");
  }
  if (variable.value.size() == 1) {
    return "The variable " + variable.name + " is " + std::to_string(variable.value[0]) + ".";
  }
  return "The variable " + variable.name + " has " + Count(variable.value.size(), "byte") + ".";
}

}  // namespace seaworthy::verify
