// libseaworthy-verify: the TCG boot event log (PC Client Platform Firmware Profile). Whoever
// sends a log may have chosen every byte of it. Only when its replay equals PCR values that a
// TPM quoted (verify.h) is anything in it true, and then only this: these digests were extended
// into this PCR in this order. What an event's type and data say is true as far as its digest
// covers it. The order of events in different PCRs, and the log's EV_NO_ACTION events, nobody
// vouches for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::verify {

inline constexpr std::size_t kMaxBootLogSize = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxBootEvents = 65536;
inline constexpr std::uint32_t kPcrCount = 24;

struct BootBank {
  std::uint16_t bank = 0;  // TPM_ALG_ID
  std::size_t digest_size = 0;
};

struct BootEvent {
  std::size_t number = 0;  // from 1; the event that names the format is one too
  std::size_t offset = 0;  // where it begins in the file, bytes
  std::uint32_t pcr = 0;   // below kPcrCount, but for EV_NO_ACTION
  std::uint32_t type = 0;
  std::map<std::uint16_t, Bytes> digests;  // by bank
  Bytes data;
};

struct BootLog {
  bool crypto_agile = false;  // false: the old form, SHA-1 alone
  std::string spec_version;   // of the log's format, "2.0 errata 2"; empty when the log has none
  std::vector<BootBank> banks;
  std::optional<std::uint8_t> startup_locality;
  std::vector<BootEvent> events;
};

// Takes both forms. Zero bytes after the last event, as firmware leaves them where it logs into
// a buffer of fixed size, are no events when there are at least as many as the smallest event
// has; fewer are an event cut short. INVALID_ARGUMENT, reason MALFORMED, names the event and
// its offset: cut short, longer than kMaxBootLogSize, more than kMaxBootEvents, a digest of an
// algorithm the header has no size for, an extended event without a digest in each bank or of
// a PCR there is not, a second startup locality.
Result<BootLog> ParseBootLog(ByteView file);

struct ReplayedPcr {
  std::uint16_t bank = 0;
  std::uint32_t index = 0;
  std::size_t events = 0;  // that were extended; with 0 the digest is what the PCR starts with
  Bytes digest;
};

struct BootReplay {
  std::vector<ReplayedPcr> pcrs;   // all 24 of each bank: banks as in the log, indices ascending
  std::vector<std::string> notes;  // sentences: which banks could not be replayed, and why
};

// SHA-1, SHA-256, SHA-384 and SHA-512. PCR 0 starts with the startup locality (4 where an
// H-CRTM event is logged without one); 17 to 22 with ones, or with zeros when the log extends
// any of them, as only a dynamic launch opens them, and that resets them.
BootReplay ReplayBootLog(const BootLog& log);

// All text below is printable UTF-8: what is not is written as \xNN or \u{NN}.

struct NoAction {
  std::string signature;  // "StartupLocality", "SP800-155 Event", ...
};

struct Separator {
  std::uint32_t value = 0;  // 0 and 0xffffffff end the pre-boot phase, 1 says it failed
};

struct Certificate {
  std::string subject;  // RFC 2253; empty when it cannot be parsed
  Bytes sha256;         // of its DER form
};

// EFI_SIGNATURE_LISTs (db, MokList), or the one EFI_SIGNATURE_DATA that verified an image.
struct SignatureDatabase {
  std::vector<Certificate> certificates;
  std::vector<Bytes> sha256_hashes;  // of images
  std::size_t others = 0;            // entries of other kinds
};

struct LoadOption {
  bool active = false;
  std::string description;
  std::string device_path;
};

// UEFI_VARIABLE_DATA.
struct EfiVariable {
  std::string guid;  // lower case
  std::string name;
  Bytes value;
  // What the value is, for the variables that are known.
  std::optional<SignatureDatabase> signatures;  // PK, KEK, db, dbx, MokList, MokListX, ...
  std::optional<LoadOption> load_option;        // Boot####, Driver####
  std::vector<std::uint16_t> order;             // BootOrder, DriverOrder
  std::string text;                             // SbatLevel
};

// UEFI_IMAGE_LOAD_EVENT. The digest is over the PE image: nothing here is covered by it.
struct EfiImage {
  std::uint64_t address = 0;
  std::uint64_t size = 0;  // bytes
  std::uint64_t link_address = 0;
  std::string device_path;
};

struct FirmwareBlob {
  std::string description;  // of EV_EFI_PLATFORM_FIRMWARE_BLOB2
  std::uint64_t base = 0;
  std::uint64_t size = 0;  // bytes
};

struct HandoffTables {
  std::string description;               // of EV_EFI_HANDOFF_TABLES2
  std::vector<std::string> table_guids;  // ACPI, SMBIOS, ...
};

struct GptPartition {
  std::string type_guid;
  std::string guid;
  std::uint64_t first_lba = 0;
  std::uint64_t last_lba = 0;
  std::string name;
};

struct GptTable {
  std::string disk_guid;
  std::vector<GptPartition> partitions;
};

struct TaggedEvent {
  std::uint32_t id = 0;
  std::string name;  // what the id stands for; empty when it is not known
  Bytes data;
};

enum class TextKind {
  kPlain,             // EV_ACTION, EV_EFI_ACTION, versions, file names
  kUkiSection,        // systemd-stub: ".linux"; the name, then, as a second event, the content
  kGrubCommand,       // after "grub_cmd: "
  kGrubKernel,        // after "kernel_cmdline: "
  kGrubModule,        // after "module_cmdline: "
  kShimVariable,      // "MokList": the digest is over the variable
  kUtf16CommandLine,  // systemd-stub, PCR 8 or 12
};

struct EventText {
  TextKind kind = TextKind::kPlain;
  std::string text;  // without GRUB's prefix
};

using BootEventDetail = std::variant<std::monostate, NoAction, Separator, EfiVariable, EfiImage,
                                     FirmwareBlob, HandoffTables, GptTable, TaggedEvent, EventText>;

struct DecodedBootEvent {
  std::string type_name;
  std::string sentence;    // for a person; longer ones are cut at about 1 KiB
  BootEventDetail detail;  // monostate: opaque, or not what its type says
};

// "EV_SEPARATOR"; "0x80000123" for a type that is not known.
std::string BootEventTypeName(std::uint32_t type);

// What the event says. Checks nothing: that is CheckEventDigest's.
DecodedBootEvent DecodeBootEvent(const BootEvent& event);

enum class DigestCheck {
  kMatches,      // over all of the data; of text also in the other encoding or without its NUL
  kMatchesPart,  // over a part: a variable's value without its name, text without GRUB's prefix,
                 // the error value of a separator whose data explains the error
  kDiffers,      // the type's digest is over the data, and this one is not
  kOfOther,      // over what is not in the log: an image, a file, a section
  kNotExtended,  // EV_NO_ACTION
  kNoDigest,     // no digest in this bank, or a hash that cannot be computed
};

DigestCheck CheckEventDigest(const BootEvent& event, std::uint16_t bank);

enum class Answer { kYes, kNo, kNotProven };

struct Statement {
  Answer answer = Answer::kNotProven;
  std::string sentence;             // why, for a person
  std::vector<std::size_t> events;  // numbers of those it rests on
};

// A certificate or hash that the firmware, or shim, verified an image with. Told by the data,
// whatever type the log gives to the event.
struct BootAuthority {
  std::size_t event = 0;
  std::string variable;  // "db", "MokList", "Shim"
  Certificate certificate;
  Bytes sha256_hash;  // of the image, where a hash and no certificate allowed it
};

struct LoadedImage {
  std::size_t event = 0;
  std::uint32_t pcr = 0;
  std::uint32_t type = 0;   // application or driver
  Bytes digest;             // Authenticode, in the bank
  std::string device_path;  // the log's word alone
  bool after_separator = false;
  // The last authority before it in the log that can have allowed it: one by certificate, or
  // one by this very hash. Firmware logs each authority once and not for which image, so a
  // number is no proof that it was this one.
  std::optional<std::size_t> authority;
};

struct BootCommandLine {
  std::size_t event = 0;
  std::uint32_t pcr = 0;
  std::string source;               // "GRUB", "UKI section .cmdline", ...: the log's word
  std::optional<std::string> text;  // where the log has it and the digest is over it
  Bytes digest;
};

// Whether the digest is over this text: UTF-8 or UTF-16, with a NUL at the end or without.
bool IsCommandLine(const BootCommandLine& command_line, std::uint16_t bank, std::string_view text);

// Something that was measured and is not in the log: an initrd, a file GRUB read, MokList.
struct MeasuredContent {
  std::size_t event = 0;
  std::uint32_t pcr = 0;
  std::string name;  // the log's word; for UKI sections it is covered by the digest before
  Bytes digest;
};

// How the pre-boot phase ended in one of PCR 0 to 7.
struct PreBoot {
  std::uint32_t pcr = 0;
  std::optional<std::size_t> separator;  // event; the first whose digest is over its value
  bool error = false;                    // an error was recorded: then, before, or later
  std::vector<std::size_t> events_after;
};

// What a policy may rest on once the replay was found equal to the quote in `bank`.
struct BootFacts {
  std::uint16_t bank = 0;
  Statement secure_boot;
  // Secure Boot on, and everything that was started from PCR 4 on was checked by it. Secure
  // Boot on is not enough: a kernel that was handed to the firmware from outside, as QEMU's
  // -kernel does, runs unchecked beside it.
  Statement verified_boot;
  std::vector<BootAuthority> authorities;
  // Whether these are all: no event in PCR 7 leaves room for another.
  Statement all_authorities;
  std::vector<LoadedImage> images;
  std::vector<BootCommandLine> command_lines;
  std::vector<MeasuredContent> uki_sections;
  std::vector<MeasuredContent> contents;
  std::vector<PreBoot> pre_boot;   // PCR 0 to 7
  std::vector<std::string> notes;  // sentences
};

// `bank` is the one that was quoted. With SHA-1, whose collisions can be made, nothing is
// stated, unless it is the log's only bank; the notes say so then.
BootFacts AnalyseBootLog(const BootLog& log, std::uint16_t bank);

}  // namespace seaworthy::verify
