// The list of what the kernel's IMA has measured: /sys/kernel/security/ima/*_runtime_measurements.
// All of it is foreign until its replay equals a quoted PCR; sizes are capped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::verify {

// Where the kernel measures into unless its policy says otherwise, and the name of its first entry.
inline constexpr std::uint32_t kImaPcr = 10;
inline constexpr std::string_view kBootAggregate = "boot_aggregate";

// The kernel's templates: the name, and the fields, by which one can be called too.
inline constexpr std::pair<std::string_view, std::string_view> kImaTemplates[] = {
    {"ima", "d|n"},
    {"ima-ng", "d-ng|n-ng"},
    {"ima-sig", "d-ng|n-ng|sig"},
    {"ima-ngv2", "d-ngv2|n-ng"},
    {"ima-sigv2", "d-ngv2|n-ng|sig"},
    {"ima-buf", "d-ng|n-ng|buf"},
    {"ima-modsig", "d-ng|n-ng|sig|d-modsig|modsig"},
    {"evm-sig", "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode"}};

// One entry of the binary list. The views are into the bytes it was read from.
struct ImaEntry {
  std::uint64_t number = 0;  // the kernel's order, from 0
  std::uint32_t pcr = 0;
  ByteView template_digest;  // SHA-1 over the template data; 20 zeros for a violation
  std::string_view
      template_name;  // "ima-ng"; of a template without a name: its fields, "d-ng|n-ng"
  ByteView template_data;
  ByteView bytes = {};  // all of the entry, as it came

  // The kernel could not say what was read: the file was open for writing meanwhile.
  bool IsViolation() const;
};

// Reads the binary list as it comes, in chunks of any size.
class ImaListReader {
 public:
  // `first` is the number of the entry the bytes begin with.
  explicit ImaListReader(std::uint64_t first = 0) : number_(first) {}

  void Add(ByteView chunk);

  // The next whole entry; nothing when more bytes are needed. Its views hold until the next call
  // of Add. INVALID_ARGUMENT (IMA_LIST_MALFORMED) names the entry and its place; reading is over.
  Result<std::optional<ImaEntry>> Next();

  // The number of the next entry.
  std::uint64_t number() const { return number_; }
  // Bytes of an entry that has not come whole.
  std::size_t rest() const { return buffer_.size() - used_; }

 private:
  Bytes buffer_;
  std::size_t used_ = 0;      // of buffer_
  std::uint64_t offset_ = 0;  // in all that came, of buffer_'s begin
  std::uint64_t number_;
};

// The binary list that the ascii one tells of; what is not clear there (a newline in a name, a
// field that is not printed) is settled by the template digest. INVALID_ARGUMENT
// (IMA_LIST_MALFORMED) names the line.
Result<Bytes> ImaAsciiToBinary(std::string_view ascii);

// What an entry says, by its template.
struct ImaFields {
  std::string_view hash;  // of digest: "sha256"; empty when there is none
  ByteView digest;        // of the file, the buffer, or of fs-verity's Merkle tree
  bool verity = false;    // d-ngv2
  std::string_view path;  // of the file, or the name of the event; any bytes but NUL
  ByteView signature;     // security.ima as it was read
  ByteView buffer;        // of ima-buf: what was measured
  std::string_view modsig_hash;
  ByteView modsig_digest, modsig;
  ByteView evm_signature;  // security.evm
};

// INVALID_ARGUMENT: IMA_TEMPLATE_UNKNOWN when a field of the template is not known,
// IMA_LIST_MALFORMED when the data does not fit it. Views into the entry.
Result<ImaFields> ParseImaFields(const ImaEntry& entry);

// What the kernel has extended a PCR with for the entries so far, in one bank.
class ImaReplay {
 public:
  // How the kernel makes the digest for a bank: with the bank's hash, or, where it lacks that hash
  // and in all banks but SHA-1 before Linux 5.8, as the SHA-1 digest with zeros behind it.
  enum class Form : std::uint8_t { kNative, kPaddedSha1 };

  // `bank` is a TPM_ALG_ID: SHA-1, 256, 384 or 512; the PCR is all zeros after a boot.
  static Result<ImaReplay> Start(std::uint16_t bank);
  // Goes on from a value of that form.
  static Result<ImaReplay> Resume(std::uint16_t bank, Form form, ByteView value);

  // `sha1` is the SHA-1 digest over the entry's template data, see ImaTemplateSha1.
  void Extend(const ImaEntry& entry, ByteView sha1);

  // The caller knows the form: the other one is not followed any more, which takes time.
  void Settle(Form form);

  // The form whose value this is now.
  std::optional<Form> Find(ByteView value) const;
  ByteView Value(Form form) const;
  std::uint16_t bank() const { return bank_; }

 private:
  explicit ImaReplay(std::uint16_t bank, std::size_t size) : bank_(bank), size_(size) {}
  std::uint16_t bank_;
  std::size_t size_;
  bool both_ = true;  // which form it is, is not known yet
  Form form_ = Form::kNative;
  std::array<std::array<std::uint8_t, 64>, 2> values_{};
};

// The size of the beginning of a list, from entry 0, that makes PCR 10 this value in this bank:
// what was measured after a quote is left off. Nothing when no beginning does.
std::optional<std::size_t> QuotedPrefix(ByteView list, std::uint16_t bank, ByteView pcr10);

// Over the template data, as the kernel makes it: "ima" pads the name to 256 bytes.
std::array<std::uint8_t, 20> ImaTemplateSha1(const ImaEntry& entry);

}  // namespace seaworthy::verify
