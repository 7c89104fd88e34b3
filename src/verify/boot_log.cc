#include "seaworthy/boot_log.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <utility>

#include "seaworthy/status_macros.h"
#include "verify/boot_event_types.h"
#include "verify/digest.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kMaxBanks = TPM2_NUM_PCR_BANKS;
constexpr std::size_t kMaxDigestSize = TPM2_SHA512_DIGEST_SIZE;

// Sizes of events without digests and data.
constexpr std::size_t kSha1EventSize = 4 + 4 + TPM2_SHA1_DIGEST_SIZE + 4;  // TCG_PCR_EVENT
constexpr std::size_t kAgileEventSize = 4 + 4 + 4 + 4;                     // TCG_PCR_EVENT2

constexpr std::string_view kAgileSignature{"Spec ID Event03\0", 16};
constexpr std::string_view kSha1Signatures[] = {{"Spec ID Event00\0", 16},
                                                {"Spec ID Event02\0", 16}};
constexpr std::string_view kLocalitySignature{"StartupLocality\0", 16};

Status Malformed(const std::string& what) {
  return Fail(Code::kInvalidArgument, "MALFORMED", what);
}

Status Malformed(const BootEvent& event, const std::string& what) {
  return Malformed("event " + std::to_string(event.number) + " at byte " +
                   std::to_string(event.offset) + " " + what);
}

bool StartsWith(ByteView data, std::string_view signature) {
  return AsText(data).starts_with(signature);
}

class LogParser {
 public:
  explicit LogParser(ByteView file) : reader_(file) {}

  Result<BootLog> Parse() {
    RETURN_IF_ERROR(ParseFirst());
    while (!AtEnd()) {
      if (log_.events.size() == kMaxBootEvents) {
        return Malformed(Begin(), "is one more than the " + std::to_string(kMaxBootEvents) +
                                      " that a log may have");
      }
      BootEvent event = Begin();
      RETURN_IF_ERROR(log_.crypto_agile ? ReadAgile(event) : ReadSha1(event));
      RETURN_IF_ERROR(Check(event));
      log_.events.push_back(std::move(event));
    }
    return std::move(log_);
  }

 private:
  // The first event always has the old form.
  Status ParseFirst() {
    BootEvent event = Begin();
    RETURN_IF_ERROR(ReadSha1(event));
    if (event.type == kEvNoAction && StartsWith(event.data, kAgileSignature)) {
      log_.crypto_agile = true;
      event.digests.clear();
      RETURN_IF_ERROR(ReadSpecId(event));
    } else {
      log_.banks = {{TPM2_ALG_SHA1, TPM2_SHA1_DIGEST_SIZE}};
      if (event.type == kEvNoAction &&
          std::ranges::any_of(kSha1Signatures, [&](std::string_view signature) {
            return StartsWith(event.data, signature);
          })) {
        RETURN_IF_ERROR(ReadSpecVersion(event).status());
      }
    }
    RETURN_IF_ERROR(Check(event));
    log_.events.push_back(std::move(event));
    return {};
  }

  BootEvent Begin() const {
    BootEvent event;
    event.number = log_.events.size() + 1;
    event.offset = reader_.at();
    return event;
  }

  bool AtEnd() const {
    const ByteView rest = reader_.rest();
    if (rest.empty()) return true;
    const std::size_t smallest = log_.crypto_agile ? kAgileEventSize : kSha1EventSize;
    return rest.size() >= smallest &&
           std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; });
  }

  Status ReadSha1(BootEvent& event) {
    event.pcr = reader_.U32();
    event.type = reader_.U32();
    const ByteView digest = reader_.Take(TPM2_SHA1_DIGEST_SIZE);
    event.digests[TPM2_ALG_SHA1] = {digest.begin(), digest.end()};
    return ReadData(event);
  }

  Status ReadAgile(BootEvent& event) {
    event.pcr = reader_.U32();
    event.type = reader_.U32();
    const std::uint32_t count = reader_.U32();
    if (!reader_.ok()) return Malformed(event, "is cut short");
    if (count > log_.banks.size()) {
      return Malformed(event, "has " + std::to_string(count) + " digests; the log has " +
                                  std::to_string(log_.banks.size()) + " banks");
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint16_t algorithm = reader_.U16();
      if (!reader_.ok()) return Malformed(event, "is cut short");
      const auto bank = std::ranges::find(log_.banks, algorithm, &BootBank::bank);
      if (bank == log_.banks.end()) {
        return Malformed(event, "has a digest of the algorithm " + HashName(algorithm) +
                                    ", of which the log's header does not know the size");
      }
      const ByteView digest = reader_.Take(bank->digest_size);
      if (!event.digests.try_emplace(algorithm, digest.begin(), digest.end()).second) {
        return Malformed(event, "has two digests of the algorithm " + HashName(algorithm));
      }
    }
    return ReadData(event);
  }

  Status ReadData(BootEvent& event) {
    const std::uint32_t size = reader_.U32();
    if (!reader_.ok()) return Malformed(event, "is cut short");
    const std::size_t left = reader_.rest().size();
    const ByteView data = reader_.Take(size);
    if (!reader_.ok()) {
      return Malformed(event, "says that it has " + std::to_string(size) +
                                  " bytes of data; the log has " + std::to_string(left) + " more");
    }
    event.data = {data.begin(), data.end()};
    return {};
  }

  Status Check(const BootEvent& event) {
    if (event.type == kEvNoAction) return ReadLocality(event);
    if (event.pcr >= kPcrCount) {
      return Malformed(event, "is of PCR " + std::to_string(event.pcr) + ", which there is not");
    }
    for (const BootBank& bank : log_.banks) {
      if (!event.digests.contains(bank.bank)) {
        return Malformed(event, "has no digest for the bank " + HashName(bank.bank));
      }
    }
    return {};
  }

  // PFP, Startup Locality Event.
  Status ReadLocality(const BootEvent& event) {
    if (event.pcr != 0 || !StartsWith(event.data, kLocalitySignature)) return {};
    if (event.data.size() != kLocalitySignature.size() + 1) {
      return Malformed(event, "is a startup locality of " + std::to_string(event.data.size()) +
                                  " bytes instead of " +
                                  std::to_string(kLocalitySignature.size() + 1));
    }
    if (log_.startup_locality) return Malformed(event, "is a second startup locality");
    const std::uint8_t locality = event.data.back();
    if (locality > 4) {
      return Malformed(event, "is the startup locality " + std::to_string(locality));
    }
    log_.startup_locality = locality;
    return {};
  }

  // The part that the old and the new TCG_EfiSpecIDEvent begin with; gives what follows.
  Result<LittleEndianReader> ReadSpecVersion(const BootEvent& event) {
    LittleEndianReader reader(event.data);
    reader.Take(kAgileSignature.size());
    reader.U32();  // platform class
    const unsigned minor = reader.U8();
    const unsigned major = reader.U8();
    const unsigned errata = reader.U8();
    reader.U8();  // size of UINTN
    if (!reader.ok()) return Malformed(event, "is a header that is cut short");
    log_.spec_version =
        std::to_string(major) + "." + std::to_string(minor) + " errata " + std::to_string(errata);
    return reader;
  }

  Status ReadSpecId(const BootEvent& event) {
    ASSIGN_OR_RETURN(LittleEndianReader reader, ReadSpecVersion(event));
    const std::uint32_t count = reader.U32();
    if (reader.ok() && (count == 0 || count > kMaxBanks)) {
      return Malformed(event, "is a header of " + std::to_string(count) + " banks");
    }
    for (std::uint32_t i = 0; reader.ok() && i < count; ++i) {
      const std::uint16_t algorithm = reader.U16();
      const std::size_t size = reader.U16();
      if (!reader.ok()) break;
      const std::size_t known = DigestSize(algorithm);
      if (size == 0 || size > kMaxDigestSize || (known != 0 && size != known)) {
        return Malformed(event, "is a header that gives " + HashName(algorithm) + " digests " +
                                    std::to_string(size) + " bytes");
      }
      if (std::ranges::find(log_.banks, algorithm, &BootBank::bank) != log_.banks.end()) {
        return Malformed(event, "is a header that names " + HashName(algorithm) + " twice");
      }
      log_.banks.push_back({algorithm, size});
    }
    reader.Take(reader.U8());  // vendor information
    if (!reader.ok()) return Malformed(event, "is a header that is cut short");
    return {};
  }

  LittleEndianReader reader_;
  BootLog log_;
};

}  // namespace

Result<BootLog> ParseBootLog(ByteView file) {
  if (file.size() > kMaxBootLogSize) {
    return Malformed("the boot log is too long: " + std::to_string(file.size()) + " bytes");
  }
  return LogParser(file).Parse();
}

}  // namespace seaworthy::verify
