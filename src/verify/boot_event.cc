#include <algorithm>

#include "seaworthy/boot_log.h"
#include "verify/boot_event_types.h"
#include "verify/boot_text.h"
#include "verify/efi_device_path.h"
#include "verify/efi_text.h"
#include "verify/efi_variable.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kMaxSentence = 1024;

constexpr std::size_t kGptEntrySize = 128;
constexpr std::size_t kGptHeaderSize = 92;

struct TypeName {
  std::uint32_t type;
  const char* name;
};

constexpr TypeName kTypeNames[] = {
    {kEvPrebootCert, "EV_PREBOOT_CERT"},
    {kEvPostCode, "EV_POST_CODE"},
    {kEvUnused, "EV_UNUSED"},
    {kEvNoAction, "EV_NO_ACTION"},
    {kEvSeparator, "EV_SEPARATOR"},
    {kEvAction, "EV_ACTION"},
    {kEvEventTag, "EV_EVENT_TAG"},
    {kEvSCrtmContents, "EV_S_CRTM_CONTENTS"},
    {kEvSCrtmVersion, "EV_S_CRTM_VERSION"},
    {kEvCpuMicrocode, "EV_CPU_MICROCODE"},
    {kEvPlatformConfigFlags, "EV_PLATFORM_CONFIG_FLAGS"},
    {kEvTableOfDevices, "EV_TABLE_OF_DEVICES"},
    {kEvCompactHash, "EV_COMPACT_HASH"},
    {kEvIpl, "EV_IPL"},
    {kEvIplPartitionData, "EV_IPL_PARTITION_DATA"},
    {kEvNonhostCode, "EV_NONHOST_CODE"},
    {kEvNonhostConfig, "EV_NONHOST_CONFIG"},
    {kEvNonhostInfo, "EV_NONHOST_INFO"},
    {kEvOmitBootDeviceEvents, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    {kEvPostCode2, "EV_POST_CODE2"},
    {kEvEfiVariableDriverConfig, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {kEvEfiVariableBoot, "EV_EFI_VARIABLE_BOOT"},
    {kEvEfiBootServicesApplication, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {kEvEfiBootServicesDriver, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {kEvEfiRuntimeServicesDriver, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {kEvEfiGptEvent, "EV_EFI_GPT_EVENT"},
    {kEvEfiAction, "EV_EFI_ACTION"},
    {kEvEfiPlatformFirmwareBlob, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {kEvEfiHandoffTables, "EV_EFI_HANDOFF_TABLES"},
    {kEvEfiPlatformFirmwareBlob2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {kEvEfiHandoffTables2, "EV_EFI_HANDOFF_TABLES2"},
    {kEvEfiVariableBoot2, "EV_EFI_VARIABLE_BOOT2"},
    {kEvEfiGptEvent2, "EV_EFI_GPT_EVENT2"},
    {kEvEfiHcrtmEvent, "EV_EFI_HCRTM_EVENT"},
    {kEvEfiVariableAuthority, "EV_EFI_VARIABLE_AUTHORITY"},
    {kEvEfiSpdmFirmwareBlob, "EV_EFI_SPDM_FIRMWARE_BLOB"},
    {kEvEfiSpdmFirmwareConfig, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
    {kEvEfiSpdmDevicePolicy, "EV_EFI_SPDM_DEVICE_POLICY"},
    {kEvEfiSpdmDeviceAuthority, "EV_EFI_SPDM_DEVICE_AUTHORITY"},
};

// Fills in sentence and detail; leaves both as they are when the data is not what it should be.
using Decoder = void (*)(const BootEvent&, DecodedBootEvent&);

void DecodeNoAction(const BootEvent& event, DecodedBootEvent& decoded) {
  NoAction detail;
  const ByteView data(event.data);
  const ByteView signature = data.first(std::min<std::size_t>(data.size(), 16));
  detail.signature = PrintableUtf8(
      signature.first(AsText(signature).substr(0, AsText(signature).find('\0')).size()));
  decoded.sentence = "Not extended: " + detail.signature;
  if (detail.signature == "StartupLocality" && data.size() > 16) {
    decoded.sentence += ", the TPM was started at locality " + std::to_string(data[16]);
  }
  decoded.sentence += ".";
  decoded.detail = detail;
}

void DecodeSeparator(const BootEvent& event, DecodedBootEvent& decoded) {
  LittleEndianReader reader(event.data);
  const Separator separator{reader.U32()};
  if (!reader.ok() || !reader.rest().empty()) {
    decoded.sentence = "A separator with " + std::to_string(event.data.size()) + " bytes of data.";
    return;
  }
  const std::string pcr = "PCR " + std::to_string(event.pcr);
  if (separator.value == 0 || separator.value == 0xffffffff) {
    decoded.sentence = "The pre-boot phase ended in " + pcr + ".";
  } else if (separator.value == 1) {
    decoded.sentence = "The firmware recorded an error in " + pcr + ".";
  } else {
    decoded.sentence = "A separator of unknown value " + HexNumber(separator.value) + ".";
  }
  decoded.detail = separator;
}

void DecodeVariable(const BootEvent& event, DecodedBootEvent& decoded) {
  const bool authority =
      event.type == kEvEfiVariableAuthority || event.type == kEvEfiSpdmDeviceAuthority;
  const auto variable = ParseEfiVariable(event.data, authority);
  if (!variable) return;
  decoded.sentence = EfiVariableSentence(*variable, authority);
  decoded.detail = *variable;
}

void DecodeImage(const BootEvent& event, DecodedBootEvent& decoded) {
  LittleEndianReader reader(event.data);
  EfiImage image;
  image.address = reader.U64();
  image.size = reader.U64();
  image.link_address = reader.U64();
  const ByteView path = reader.Take(reader.U64());
  if (!reader.ok()) return;
  if (!path.empty()) image.device_path = DevicePathText(path);
  const bool application = event.type == kEvEfiBootServicesApplication;
  decoded.sentence = std::string("The firmware loaded the EFI ") +
                     (application ? "application " : "driver ") +
                     (image.device_path.empty() ? "without a path" : image.device_path) + ", " +
                     std::to_string(image.size) + " bytes.";
  decoded.detail = image;
}

void DecodeBlob(const BootEvent& event, DecodedBootEvent& decoded) {
  LittleEndianReader reader(event.data);
  FirmwareBlob blob;
  if (event.type == kEvEfiPlatformFirmwareBlob2 || event.type == kEvPostCode2) {
    blob.description = PrintableUtf8(WithoutNuls(reader.Take(reader.U8())));
  }
  blob.base = reader.U64();
  blob.size = reader.U64();
  if (!reader.ok() || !reader.rest().empty()) return;
  decoded.sentence = "Firmware " + (blob.description.empty() ? "" : blob.description + " ") +
                     "at " + HexNumber(blob.base) + ", " + std::to_string(blob.size) + " bytes.";
  decoded.detail = blob;
}

void DecodeHandoff(const BootEvent& event, DecodedBootEvent& decoded) {
  LittleEndianReader reader(event.data);
  HandoffTables tables;
  if (event.type == kEvEfiHandoffTables2) {
    tables.description = PrintableUtf8(WithoutNuls(reader.Take(reader.U8())));
  }
  const std::uint64_t count = reader.U64();
  while (reader.ok() && tables.table_guids.size() < count) {
    tables.table_guids.push_back(GuidText(reader.Take(16)));
    reader.U64();  // where it is
  }
  if (!reader.ok()) return;
  decoded.sentence = "The firmware hands over " +
                     (tables.description.empty() ? "" : tables.description + ", ") +
                     std::to_string(count) + " tables.";
  decoded.detail = tables;
}

// UEFI_GPT_DATA: the header, then the number of partitions in use and their entries.
void DecodeGpt(const BootEvent& event, DecodedBootEvent& decoded) {
  LittleEndianReader reader(event.data);
  LittleEndianReader header(reader.Take(kGptHeaderSize));
  GptTable table;
  header.Take(56);
  table.disk_guid = GuidText(header.Take(16));
  header.Take(12);
  const std::uint32_t entry_size = header.U32();
  const std::uint64_t count = reader.U64();
  if (!reader.ok() || entry_size < kGptEntrySize) return;
  while (reader.ok() && table.partitions.size() < count) {
    LittleEndianReader entry(reader.Take(entry_size));
    GptPartition partition;
    partition.type_guid = GuidText(entry.Take(16));
    partition.guid = GuidText(entry.Take(16));
    partition.first_lba = entry.U64();
    partition.last_lba = entry.U64();
    entry.U64();  // attributes
    partition.name = PrintableUtf16(entry.Take(72));
    if (entry.ok()) table.partitions.push_back(partition);
  }
  if (!reader.ok()) return;
  decoded.sentence = "The disk " + table.disk_guid + " has " +
                     std::to_string(table.partitions.size()) + " partitions.";
  decoded.detail = table;
}

void DecodeText(const BootEvent& event, DecodedBootEvent& decoded) {
  const EventText text = ParseEventText(event);
  decoded.sentence = EventTextSentence(event, text);
  decoded.detail = text;
}

// Firmware's code: a name, or where it was (PFP, EV_POST_CODE).
void DecodeCode(const BootEvent& event, DecodedBootEvent& decoded) {
  const bool text = std::ranges::all_of(WithoutNuls(event.data),
                                        [](std::uint8_t c) { return c >= 0x20 && c < 0x7f; });
  (text ? DecodeText : DecodeBlob)(event, decoded);
}

void DecodeTagged(const BootEvent& event, DecodedBootEvent& decoded) {
  const auto tagged = ParseTaggedEvent(event.data);
  if (!tagged) return;
  decoded.sentence = tagged->name.empty()
                         ? "Tagged event " + HexNumber(tagged->id) + "."
                         : "Tagged event " + HexNumber(tagged->id) + ": " + tagged->name + ".";
  decoded.detail = *tagged;
}

Decoder DecoderOf(std::uint32_t type) {
  switch (type) {
    case kEvNoAction:
      return DecodeNoAction;
    case kEvSeparator:
      return DecodeSeparator;
    case kEvEfiVariableDriverConfig:
    case kEvEfiVariableBoot:
    case kEvEfiVariableBoot2:
    case kEvEfiVariableAuthority:
    case kEvEfiSpdmDevicePolicy:
    case kEvEfiSpdmDeviceAuthority:
      return DecodeVariable;
    case kEvEfiBootServicesApplication:
    case kEvEfiBootServicesDriver:
    case kEvEfiRuntimeServicesDriver:
      return DecodeImage;
    case kEvEfiPlatformFirmwareBlob:
    case kEvEfiPlatformFirmwareBlob2:
      return DecodeBlob;
    case kEvEfiHandoffTables:
    case kEvEfiHandoffTables2:
      return DecodeHandoff;
    case kEvEfiGptEvent:
    case kEvEfiGptEvent2:
      return DecodeGpt;
    case kEvEventTag:
      return DecodeTagged;
    case kEvPostCode:
    case kEvPostCode2:
    case kEvSCrtmContents:
      return DecodeCode;
    case kEvAction:
    case kEvEfiAction:
    case kEvEfiHcrtmEvent:
    case kEvSCrtmVersion:
    case kEvCompactHash:
    case kEvIpl:
    case kEvNonhostCode:
    case kEvNonhostConfig:
    case kEvNonhostInfo:
    case kEvOmitBootDeviceEvents:
      return DecodeText;
    default:
      return nullptr;
  }
}

void ShortenSentence(std::string& sentence) {
  if (sentence.size() <= kMaxSentence) return;
  std::size_t size = kMaxSentence;
  while ((static_cast<unsigned char>(sentence[size]) & 0xc0) == 0x80) --size;  // inside UTF-8
  sentence.resize(size);
  sentence += "...";
}

}  // namespace

std::string BootEventTypeName(std::uint32_t type) {
  const auto* found = std::ranges::find(kTypeNames, type, &TypeName::type);
  return found == std::end(kTypeNames) ? HexNumber(type) : found->name;
}

DecodedBootEvent DecodeBootEvent(const BootEvent& event) {
  DecodedBootEvent decoded;
  decoded.type_name = BootEventTypeName(event.type);
  if (const Decoder decode = DecoderOf(event.type)) {
    decode(event, decoded);
  }
  if (decoded.sentence.empty()) {
    decoded.sentence = decoded.type_name + " with " + std::to_string(event.data.size()) +
                       " bytes of data that cannot be read.";
  }
  ShortenSentence(decoded.sentence);
  return decoded;
}

}  // namespace seaworthy::verify
