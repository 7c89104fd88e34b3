#include "seaworthy/tpm/properties.h"

#include <map>

#include "seaworthy/status_macros.h"
#include "tpm/capability.h"
#include "tpm/key_template.h"

namespace seaworthy::tpm {
namespace {

using PropertyMap = std::map<TPM2_PT, std::uint32_t>;

Status ReadPropertyGroup(Context& context, TPM2_PT group, PropertyMap& properties) {
  return ForEachPart(context, TPM2_CAP_TPM_PROPERTIES, group, TPM2_MAX_TPM_PROPERTIES,
                     [&](const TPMU_CAPABILITIES& data) {
                       std::uint32_t next = 0;
                       for (std::uint32_t i = 0; i < data.tpmProperties.count; ++i) {
                         const TPMS_TAGGED_PROPERTY& property = data.tpmProperties.tpmProperty[i];
                         properties[property.property] = property.value;
                         next = property.property + 1;
                       }
                       return next;
                     });
}

// Four characters in a property, most significant first, padded with zeros.
std::string Characters(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char c = static_cast<char>(value >> shift & 0xff);
    if (c >= 0x20 && c < 0x7f) text += c;
  }
  return text;
}

std::string Halves(std::uint32_t value) {
  return std::to_string(value >> 16) + "." + std::to_string(value & 0xffff);
}

std::string Specification(const PropertyMap& properties) {
  const std::uint32_t revision = properties.at(TPM2_PT_REVISION);
  const std::string hundredths = std::to_string(revision % 100);
  return Characters(properties.at(TPM2_PT_FAMILY_INDICATOR)) + " revision " +
         std::to_string(revision / 100) + "." + (revision % 100 < 10 ? "0" : "") + hundredths;
}

Result<std::vector<HashAlgorithm>> ReadBanks(Context& context) {
  std::vector<HashAlgorithm> banks;
  RETURN_IF_ERROR(ForEachPart(
      context, TPM2_CAP_PCRS, 0, TPM2_NUM_PCR_BANKS, [&](const TPMU_CAPABILITIES& data) {
        for (std::uint32_t i = 0; i < data.assignedPCR.count; ++i) {
          const TPMS_PCR_SELECTION& bank = data.assignedPCR.pcrSelections[i];
          const bool allocated =
              bank.pcrSelect[0] != 0 || bank.pcrSelect[1] != 0 || bank.pcrSelect[2] != 0;
          const HashAlgorithm hash{bank.hash};
          if (allocated && DigestSize(hash) != 0) banks.push_back(hash);
        }
        return 0U;
      }));
  return banks;
}

Result<std::vector<KeyAlgorithm>> ReadKeyAlgorithms(Context& context) {
  std::vector<KeyAlgorithm> algorithms;
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEcP256, KeyAlgorithm::kEcP384,
                                       KeyAlgorithm::kRsa2048, KeyAlgorithm::kRsa3072}) {
    ASSIGN_OR_RETURN(const bool supported,
                     Supports(context, MakeTemplate({.algorithm = algorithm}, std::nullopt)));
    if (supported) algorithms.push_back(algorithm);
  }
  return algorithms;
}

Result<std::size_t> CountFrom(Context& context, TPM2_HANDLE first) {
  std::size_t count = 0;
  RETURN_IF_ERROR(ForEachPart(
      context, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, [&](const TPMU_CAPABILITIES& data) {
        count += data.handles.count;
        return data.handles.count == 0 ? 0 : data.handles.handle[data.handles.count - 1] + 1;
      }));
  return count;
}

}  // namespace

Result<Properties> ReadProperties(Context& context) {
  PropertyMap all;
  RETURN_IF_ERROR(ReadPropertyGroup(context, TPM2_PT_FIXED, all));
  RETURN_IF_ERROR(ReadPropertyGroup(context, TPM2_PT_VAR, all));
  for (const TPM2_PT needed : {TPM2_PT_FAMILY_INDICATOR, TPM2_PT_REVISION, TPM2_PT_MANUFACTURER,
                               TPM2_PT_FIRMWARE_VERSION_1, TPM2_PT_PERMANENT}) {
    if (!all.contains(needed)) {
      return Fail(Code::kInternal, "TPM_ERROR",
                  "TPM2_GetCapability: property " + std::to_string(needed) + " is missing");
    }
  }
  Properties properties;
  properties.manufacturer = Characters(all[TPM2_PT_MANUFACTURER]);
  for (const TPM2_PT part : {TPM2_PT_VENDOR_STRING_1, TPM2_PT_VENDOR_STRING_2,
                             TPM2_PT_VENDOR_STRING_3, TPM2_PT_VENDOR_STRING_4}) {
    properties.vendor += Characters(all[part]);
  }
  properties.firmware =
      Halves(all[TPM2_PT_FIRMWARE_VERSION_1]) + "." + Halves(all[TPM2_PT_FIRMWARE_VERSION_2]);
  properties.specification = Specification(all);
  properties.srk_name = context.srk_name();
  properties.in_lockout = (all[TPM2_PT_PERMANENT] & TPMA_PERMANENT_INLOCKOUT) != 0;
  properties.lockout_failures = all[TPM2_PT_LOCKOUT_COUNTER];
  properties.max_failures = all[TPM2_PT_MAX_AUTH_FAIL];
  properties.recovery_interval_seconds = all[TPM2_PT_LOCKOUT_INTERVAL];
  properties.lockout_recovery_seconds = all[TPM2_PT_LOCKOUT_RECOVERY];
  ASSIGN_OR_RETURN(properties.pcr_banks, ReadBanks(context));
  ASSIGN_OR_RETURN(properties.key_algorithms, ReadKeyAlgorithms(context));
  return properties;
}

Result<std::uint32_t> ReadResetCount(Context& context) {
  TPMS_TIME_INFO* time = nullptr;
  RETURN_IF_ERROR(
      context.Check(Esys_ReadClock(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time),
                    "TPM2_ReadClock"));
  return EsysPtr<TPMS_TIME_INFO>(time)->clockInfo.resetCount;
}

Result<HandleCounts> CountHandles(Context& context) {
  HandleCounts counts;
  ASSIGN_OR_RETURN(counts.transient, CountFrom(context, TPM2_TRANSIENT_FIRST));
  ASSIGN_OR_RETURN(counts.sessions, CountFrom(context, TPM2_LOADED_SESSION_FIRST));
  ASSIGN_OR_RETURN(counts.persistent, CountFrom(context, TPM2_PERSISTENT_FIRST));
  ASSIGN_OR_RETURN(counts.nv_indices, CountFrom(context, TPM2_NV_INDEX_FIRST));
  return counts;
}

}  // namespace seaworthy::tpm
