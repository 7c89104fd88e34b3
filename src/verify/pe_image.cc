#include "verify/pe_image.h"

#include <openssl/pkcs7.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "verify/digest.h"
#include "verify/little_endian.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

// Microsoft PE format; offsets in the optional header.
constexpr std::size_t kPeOffsetAt = 0x3c;
constexpr std::size_t kCoffHeaderSize = 24;  // with the signature before it
constexpr std::size_t kHeadersSizeAt = 60;
constexpr std::size_t kChecksumAt = 64;
constexpr std::size_t kSectionHeaderSize = 40;
constexpr std::size_t kSymbolSize = 18;
constexpr std::uint16_t kPe32 = 0x10b;
constexpr std::uint16_t kPe32Plus = 0x20b;
constexpr std::uint32_t kMaxDirectories = 16;
constexpr std::uint32_t kCertificateDirectory = 4;
constexpr std::size_t kDirectorySize = 8;

// UEFI 2.10, 32.2.4: WIN_CERTIFICATE.
constexpr std::uint16_t kCertificateRevision = 0x0200;
constexpr std::uint16_t kPkcsSignedData = 0x0002;
constexpr std::size_t kCertificateAlignment = 8;

using Pkcs7Ptr = CPtr<PKCS7, PKCS7_free>;

Status Malformed(const std::string& what) {
  return Fail(Code::kInvalidArgument, "MALFORMED", "the PE image " + what);
}

struct Headers {
  std::size_t checksum = 0;  // where it is
  std::size_t section_table = 0;
  std::size_t sections = 0;
  std::size_t size = 0;                          // of all headers
  std::optional<std::size_t> certificate_entry;  // where the directory's is
  std::uint32_t certificates = 0;                // where they are
  std::uint32_t certificates_size = 0;
  ByteView strings;  // the string table, with the four bytes of its size
};

// Of long names. That it is missing or broken is nothing wrong: such names are kept as they are.
ByteView StringTable(ByteView file, std::uint32_t symbols_at, std::uint32_t symbols) {
  LittleEndianReader reader(file);
  reader.Take(symbols_at);
  reader.Take(std::uint64_t{symbols} * kSymbolSize);
  if (symbols_at == 0 || !reader.ok()) return {};
  const ByteView table = reader.rest();
  const std::uint32_t size = reader.U32();
  return reader.ok() && size <= table.size() ? table.first(size) : ByteView();
}

Status ReadOptionalHeader(ByteView file, std::size_t at, std::size_t size, Headers& headers) {
  LittleEndianReader all(file);
  all.Take(at);
  LittleEndianReader reader(all.Take(size));
  const std::uint16_t magic = reader.U16();
  if (!all.ok() || (magic != kPe32 && magic != kPe32Plus)) {
    return Malformed("has no optional header that is known");
  }
  reader.Take(kHeadersSizeAt - reader.at());
  headers.size = reader.U32();
  headers.checksum = at + kChecksumAt;
  reader.Take(magic == kPe32 ? 28 : 44);
  const std::uint32_t directories = reader.U32();
  const std::size_t directories_at = at + reader.at();
  if (!reader.ok() || directories > kMaxDirectories) return Malformed("has no data directories");
  if (directories > kCertificateDirectory) {
    headers.certificate_entry = directories_at + kCertificateDirectory * kDirectorySize;
    reader.Take(kCertificateDirectory * kDirectorySize);
    headers.certificates = reader.U32();
    headers.certificates_size = reader.U32();
    reader.Take((directories - kCertificateDirectory - 1) * kDirectorySize);
  } else {
    reader.Take(directories * kDirectorySize);
  }
  if (!reader.ok()) return Malformed("has data directories beyond its optional header");
  return {};
}

Result<Headers> ReadHeaders(ByteView file) {
  LittleEndianReader reader(file);
  reader.Take(kPeOffsetAt);
  const std::uint32_t pe_at = reader.U32();
  if (!reader.ok() || !IsPeImage(file) || pe_at < reader.at()) {
    return Malformed("does not begin with a DOS header");
  }
  reader.Take(pe_at - reader.at());
  if (AsText(reader.Take(4)) != std::string_view("PE\0\0", 4)) {
    return Malformed("has no PE signature");
  }
  reader.U16();  // machine
  Headers headers;
  headers.sections = reader.U16();
  reader.U32();  // time
  const std::uint32_t symbols_at = reader.U32();
  const std::uint32_t symbols = reader.U32();
  const std::size_t optional_size = reader.U16();
  if (!reader.ok() || headers.sections == 0 || headers.sections > kMaxPeSections) {
    return Malformed("has " + std::to_string(headers.sections) + " sections");
  }
  const std::size_t optional_at = pe_at + kCoffHeaderSize;
  if (Status status = ReadOptionalHeader(file, optional_at, optional_size, headers); !status.ok()) {
    return status;
  }
  headers.section_table = optional_at + optional_size;
  if (headers.size > file.size() ||
      headers.section_table + headers.sections * kSectionHeaderSize > headers.size) {
    return Malformed("has headers that are cut short");
  }
  headers.strings = StringTable(file, symbols_at, symbols);
  return headers;
}

// A name of more than eight characters is "/" and where it is in the string table.
std::string NameOf(ByteView field, ByteView strings) {
  std::string_view name = AsText(field);
  name = name.substr(0, name.find('\0'));
  std::size_t at = 0;
  if (name.size() > 1 && name[0] == '/' &&
      std::from_chars(name.data() + 1, name.data() + name.size(), at).ptr ==
          name.data() + name.size() &&
      at >= 4 && at < strings.size()) {
    const std::string_view found = AsText(strings.subspan(at));
    if (const std::size_t end = found.find('\0'); end <= 255) name = found.substr(0, end);
  }
  return std::string(name);
}

// Returns where the last one ends. The bytes of all sections must follow one another: EFI takes
// the digest over them in the order of their offsets, others over the file as it lies.
Result<std::size_t> ReadSections(ByteView file, const Headers& headers,
                                 std::vector<PeSection>& sections) {
  LittleEndianReader reader(file);
  reader.Take(headers.section_table);
  std::vector<std::pair<std::size_t, std::size_t>> ranges;  // offset, size
  for (std::size_t i = 0; i < headers.sections; ++i) {
    PeSection section;
    section.name = NameOf(reader.Take(8), headers.strings);
    section.virtual_size = reader.U32();
    reader.U32();  // address
    const std::size_t size = reader.U32();
    const std::size_t at = reader.U32();
    reader.Take(16);
    if (size > 0) {
      if (at > file.size() || size > file.size() - at) {
        return Malformed("has a section beyond its end");
      }
      section.raw = file.subspan(at, size);
      ranges.emplace_back(at, size);
    }
    sections.push_back(std::move(section));
  }
  std::ranges::sort(ranges);
  std::size_t end = headers.size;
  for (const auto& [at, size] : ranges) {
    if (at != end) {
      return Malformed("has a gap before a section or sections that overlap at byte " +
                       std::to_string(at) +
                       ": programs do not agree on the digest of such an image");
    }
    end = at + size;
  }
  return end;
}

Status AppendSigner(ByteView der, std::vector<Bytes>& signers) {
  const QuietOpenssl quiet;
  const std::uint8_t* at = der.data();
  const Pkcs7Ptr pkcs7(d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
  if (pkcs7 == nullptr || !PKCS7_type_is_signed(pkcs7.get()) || pkcs7->d.sign == nullptr) {
    return Malformed("has a signature that is not PKCS #7");
  }
  const auto append = [&](int size, std::uint8_t* encoded) {
    if (size > 0) signers.emplace_back(encoded, encoded + size);
    OPENSSL_free(encoded);
    return size > 0;
  };
  STACK_OF(PKCS7_SIGNER_INFO)* infos = PKCS7_get_signer_info(pkcs7.get());
  for (int i = 0; i < sk_PKCS7_SIGNER_INFO_num(infos); ++i) {
    std::uint8_t* encoded = nullptr;
    const int size = i2d_PKCS7_ISSUER_AND_SERIAL(
        sk_PKCS7_SIGNER_INFO_value(infos, i)->issuer_and_serial, &encoded);
    if (!append(size, encoded)) return Malformed("has a signature by no one");
  }
  for (int i = 0; i < sk_X509_num(pkcs7->d.sign->cert); ++i) {
    std::uint8_t* encoded = nullptr;
    const int size = i2d_X509(sk_X509_value(pkcs7->d.sign->cert, i), &encoded);
    if (!append(size, encoded)) return Malformed("has a certificate that cannot be read");
  }
  return {};
}

}  // namespace

bool IsPeImage(ByteView file) { return AsText(file).starts_with("MZ"); }

Result<PeImage> ParsePeImage(ByteView file) {
  if (file.size() > kMaxPeImage) return Malformed("is longer than 1 GiB");
  const Result<Headers> headers = ReadHeaders(file);
  if (!headers.ok()) return headers.status();
  PeImage image;
  const Result<std::size_t> sections_end = ReadSections(file, *headers, image.sections);
  if (!sections_end.ok()) return sections_end.status();
  std::size_t end = file.size();
  if (headers->certificates_size > 0) {
    if (headers->certificates < *sections_end || headers->certificates > file.size() ||
        headers->certificates_size != file.size() - headers->certificates) {
      return Malformed("has signatures elsewhere than at its end");
    }
    end = headers->certificates;
    image.certificates = file.subspan(end);
  }
  // All but the checksum, the directory's entry of the signatures, and these.
  std::size_t at = headers->checksum + 4;
  image.hashed.push_back(file.first(headers->checksum));
  if (const auto entry = headers->certificate_entry) {
    image.hashed.push_back(file.subspan(at, *entry - at));
    at = *entry + kDirectorySize;
  }
  image.hashed.push_back(file.subspan(at, end - at));
  return image;
}

Bytes AuthenticodeDigest(const PeImage& image, std::uint16_t bank) {
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  Bytes digest(DigestSize(bank));
  bool ok = context != nullptr && !digest.empty() &&
            EVP_DigestInit_ex(context.get(), PcrBankHash(bank), nullptr) == 1;
  for (const ByteView part : image.hashed) {
    ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  ok = ok && EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
  return ok ? digest : Bytes();
}

Result<ByteView> SectionContent(const PeImage& image, std::string_view name) {
  const auto found = std::ranges::find(image.sections, name, &PeSection::name);
  if (found == image.sections.end()) return ByteView();
  if (std::ranges::find(found + 1, image.sections.end(), name, &PeSection::name) !=
      image.sections.end()) {
    return Malformed("has two sections " + std::string(name));
  }
  if (found->virtual_size > found->raw.size()) {
    return Malformed("has less than all of its section " + std::string(name));
  }
  return found->raw.first(found->virtual_size);
}

Result<std::vector<Bytes>> SignersOf(const PeImage& image) {
  std::vector<Bytes> signers;
  LittleEndianReader reader(image.certificates);
  while (!std::ranges::all_of(reader.rest(), [](std::uint8_t byte) { return byte == 0; })) {
    const std::uint32_t size = reader.U32();
    const std::uint16_t revision = reader.U16();
    const std::uint16_t type = reader.U16();
    if (!reader.ok() || size < 8 || revision != kCertificateRevision || type != kPkcsSignedData) {
      return Malformed("has a signature of a kind that is not known");
    }
    const ByteView der = reader.Take(size - 8);
    if (!reader.ok()) return Malformed("has a signature that is cut short");
    if (Status status = AppendSigner(der, signers); !status.ok()) return status;
    const std::size_t padding =
        (kCertificateAlignment - size % kCertificateAlignment) % kCertificateAlignment;
    reader.Take(std::min(padding, reader.rest().size()));
  }
  return signers;
}

}  // namespace seaworthy::verify
