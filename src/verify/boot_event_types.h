// Event types of the TCG PC Client Platform Firmware Profile (PFP) 1.06.
#pragma once

#include <cstdint>

namespace seaworthy::verify {

enum BootEventType : std::uint32_t {
  kEvPrebootCert = 0x0,
  kEvPostCode = 0x1,
  kEvUnused = 0x2,
  kEvNoAction = 0x3,
  kEvSeparator = 0x4,
  kEvAction = 0x5,
  kEvEventTag = 0x6,
  kEvSCrtmContents = 0x7,
  kEvSCrtmVersion = 0x8,
  kEvCpuMicrocode = 0x9,
  kEvPlatformConfigFlags = 0xa,
  kEvTableOfDevices = 0xb,
  kEvCompactHash = 0xc,
  kEvIpl = 0xd,
  kEvIplPartitionData = 0xe,
  kEvNonhostCode = 0xf,
  kEvNonhostConfig = 0x10,
  kEvNonhostInfo = 0x11,
  kEvOmitBootDeviceEvents = 0x12,
  kEvPostCode2 = 0x13,
  kEvEfiVariableDriverConfig = 0x80000001,
  kEvEfiVariableBoot = 0x80000002,
  kEvEfiBootServicesApplication = 0x80000003,
  kEvEfiBootServicesDriver = 0x80000004,
  kEvEfiRuntimeServicesDriver = 0x80000005,
  kEvEfiGptEvent = 0x80000006,
  kEvEfiAction = 0x80000007,
  kEvEfiPlatformFirmwareBlob = 0x80000008,
  kEvEfiHandoffTables = 0x80000009,
  kEvEfiPlatformFirmwareBlob2 = 0x8000000a,
  kEvEfiHandoffTables2 = 0x8000000b,
  kEvEfiVariableBoot2 = 0x8000000c,
  kEvEfiGptEvent2 = 0x8000000d,
  kEvEfiHcrtmEvent = 0x80000010,
  kEvEfiVariableAuthority = 0x800000e0,
  kEvEfiSpdmFirmwareBlob = 0x800000e1,
  kEvEfiSpdmFirmwareConfig = 0x800000e2,
  kEvEfiSpdmDevicePolicy = 0x800000e3,
  kEvEfiSpdmDeviceAuthority = 0x800000e4,
};

}  // namespace seaworthy::verify
