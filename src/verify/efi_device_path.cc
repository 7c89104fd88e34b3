#include "verify/efi_device_path.h"

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "verify/efi_text.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint8_t kHardware = 1;
constexpr std::uint8_t kAcpi = 2;
constexpr std::uint8_t kMessaging = 3;
constexpr std::uint8_t kMedia = 4;
constexpr std::uint8_t kBiosBoot = 5;
constexpr std::uint8_t kEnd = 0x7f;
constexpr std::uint8_t kEndEntire = 0xff;

struct Node {
  std::uint8_t type = 0;
  std::uint8_t subtype = 0;
  ByteView data;
};

std::string UpperHex(std::uint64_t number) {
  char digits[20];
  const int size = std::snprintf(digits, sizeof(digits), "0x%" PRIX64, number);
  return {digits, static_cast<std::size_t>(size)};
}

std::string Number(std::uint64_t number) { return std::to_string(number); }

std::string VendorText(const char* name, LittleEndianReader& data) {
  const std::string guid = UpperGuidText(data.Take(16));
  const ByteView rest = data.Take(data.rest().size());
  return std::string(name) + "(" + guid + (rest.empty() ? "" : "," + Hex(rest)) + ")";
}

// Each gives an empty text for a node that it does not know.
std::string HardwareText(const Node& node, LittleEndianReader& data) {
  switch (node.subtype) {
    case 1: {
      const std::uint8_t function = data.U8();
      return "Pci(" + UpperHex(data.U8()) + "," + UpperHex(function) + ")";
    }
    case 3: {
      std::string text = "MemoryMapped(" + UpperHex(data.U32());
      for (int i = 0; i < 2; ++i) text += "," + UpperHex(data.U64());
      return text + ")";
    }
    case 4:
      return VendorText("VenHw", data);
    case 5:
      return "Ctrl(" + UpperHex(data.U32()) + ")";
    default:
      return {};
  }
}

std::string AcpiText(const Node& node, LittleEndianReader& data) {
  if (node.subtype != 1) return {};
  const std::uint32_t hid = data.U32();
  const std::string uid = UpperHex(data.U32());
  if ((hid & 0xffff) != 0x41d0) return "Acpi(" + UpperHex(hid) + "," + uid + ")";  // EISA "PNP"
  switch (hid >> 16) {
    case 0x0a03:
      return "PciRoot(" + uid + ")";
    case 0x0a08:
      return "PcieRoot(" + uid + ")";
    case 0x0604:
      return "Floppy(" + uid + ")";
    default: {
      std::string id = UpperHex(hid >> 16).substr(2);
      id.insert(0, 4 - id.size(), '0');
      return "Acpi(PNP" + id + "," + uid + ")";
    }
  }
}

std::string Ipv4Text(LittleEndianReader& data) {
  std::string text;
  for (int i = 0; i < 4; ++i) text += (i == 0 ? "" : ".") + Number(data.U8());
  return text;
}

std::string NvmeText(LittleEndianReader& data) {
  std::string text = "NVMe(" + UpperHex(data.U32()) + ",";
  const std::uint64_t eui = data.U64();
  for (int shift = 56; shift >= 0; shift -= 8) {
    const std::uint8_t byte = static_cast<std::uint8_t>(eui >> shift & 0xff);
    text += Hex({&byte, 1}) + (shift == 0 ? "" : "-");
  }
  return text + ")";
}

std::string NetworkText(const Node& node, LittleEndianReader& data) {
  if (node.subtype == 11) {
    const ByteView address = data.Take(32);
    const std::uint8_t type = data.U8();
    // Ethernet's addresses have six of the 32 bytes.
    return "MAC(" + Hex(type <= 1 && address.size() == 32 ? address.first(6) : address) + "," +
           UpperHex(type) + ")";
  }
  if (node.subtype == 12) {
    data.Take(4);  // the local address
    const std::string text = "IPv4(" + Ipv4Text(data) + ")";
    data.Take(data.rest().size());
    return text;
  }
  const std::string text = "IPv6(" + (data.Take(16), Hex(data.Take(16))) + ")";
  data.Take(data.rest().size());
  return text;
}

std::string MessagingText(const Node& node, LittleEndianReader& data) {
  switch (node.subtype) {
    case 2: {
      const std::string target = UpperHex(data.U16());
      return "Scsi(" + target + "," + UpperHex(data.U16()) + ")";
    }
    case 5: {
      const std::string port = UpperHex(data.U8());
      return "USB(" + port + "," + UpperHex(data.U8()) + ")";
    }
    case 10:
      return VendorText("VenMsg", data);
    case 11:
    case 12:
    case 13:
      return NetworkText(node, data);
    case 17:
      return "Unit(" + UpperHex(data.U8()) + ")";
    case 18: {
      std::string text = "Sata(" + UpperHex(data.U16());
      for (int i = 0; i < 2; ++i) text += "," + UpperHex(data.U16());
      return text + ")";
    }
    case 23:
      return NvmeText(data);
    case 24:
      return "Uri(" + PrintableUtf8(data.Take(data.rest().size())) + ")";
    case 26:
      return "SD(" + UpperHex(data.U8()) + ")";
    case 29:
      return "eMMC(" + UpperHex(data.U8()) + ")";
    default:
      return {};
  }
}

std::string HardDriveText(LittleEndianReader& data) {
  const std::string partition = Number(data.U32());
  const std::uint64_t start = data.U64();
  const std::uint64_t size = data.U64();
  const ByteView signature = data.Take(16);
  data.U8();  // the table's format, which the signature's type tells too
  const std::uint8_t type = data.U8();
  std::string id = "0," + Hex(signature);
  if (type == 2) id = "GPT," + UpperGuidText(signature);
  if (type == 1) {
    LittleEndianReader mbr(signature);
    id = "MBR," + UpperHex(mbr.U32());
  }
  return "HD(" + partition + "," + id + "," + UpperHex(start) + "," + UpperHex(size) + ")";
}

std::string MediaText(const Node& node, LittleEndianReader& data) {
  switch (node.subtype) {
    case 1:
      return HardDriveText(data);
    case 2: {
      std::string text = "CDROM(" + UpperHex(data.U32());
      for (int i = 0; i < 2; ++i) text += "," + UpperHex(data.U64());
      return text + ")";
    }
    case 3:
      return VendorText("VenMedia", data);
    case 4:
      return PrintableUtf16(data.Take(data.rest().size()));
    case 5:
      return "Media(" + UpperGuidText(data.Take(16)) + ")";
    case 6:
      return "FvFile(" + UpperGuidText(data.Take(16)) + ")";
    case 7:
      return "Fv(" + UpperGuidText(data.Take(16)) + ")";
    case 8: {
      data.U32();  // reserved
      const std::string start = UpperHex(data.U64());
      return "Offset(" + start + "," + UpperHex(data.U64()) + ")";
    }
    case 9: {
      const std::string start = UpperHex(data.U64());
      const std::string end = UpperHex(data.U64());
      const std::string type = UpperGuidText(data.Take(16));
      return "RamDisk(" + start + "," + end + "," + Number(data.U16()) + "," + type + ")";
    }
    default:
      return {};
  }
}

std::string BiosBootText(const Node& node, LittleEndianReader& data) {
  if (node.subtype != 1) return {};
  const std::string type = UpperHex(data.U16());
  data.U16();  // status
  return "BBS(" + type + "," + PrintableUtf8(WithoutNuls(data.Take(data.rest().size()))) + ")";
}

std::string KnownText(const Node& node, LittleEndianReader& data) {
  switch (node.type) {
    case kHardware:
      return HardwareText(node, data);
    case kAcpi:
      return AcpiText(node, data);
    case kMessaging:
      return MessagingText(node, data);
    case kMedia:
      return MediaText(node, data);
    case kBiosBoot:
      return BiosBootText(node, data);
    default:
      return {};
  }
}

std::string NodeText(const Node& node) {
  LittleEndianReader data(node.data);
  std::string text = KnownText(node, data);
  if (!text.empty() && data.ok() && data.rest().empty()) return text;
  return "Path(" + Number(node.type) + "," + Number(node.subtype) +
         (node.data.empty() ? "" : "," + Hex(node.data)) + ")";
}

}  // namespace

std::string DevicePathText(ByteView path) {
  LittleEndianReader reader(path);
  std::string text;
  bool first = true;  // in its instance: a path may be several, with commas between
  while (true) {
    Node node;
    node.type = reader.U8();
    node.subtype = reader.U8();
    const std::uint16_t size = reader.U16();
    node.data = reader.Take(size < 4 ? reader.rest().size() + 1 : size - 4U);
    if (!reader.ok()) return text + "/?";
    if (node.type == kEnd && node.subtype == kEndEntire) return text;
    if (node.type == kEnd) {
      text += ",";
      first = true;
      continue;
    }
    text += (first ? "" : "/") + NodeText(node);
    first = false;
  }
}

}  // namespace seaworthy::verify
