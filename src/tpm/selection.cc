#include "tpm/selection.h"

namespace seaworthy::tpm {

TPML_PCR_SELECTION ToTss(const std::vector<PcrSelection>& selections) {
  TPML_PCR_SELECTION list = {};
  for (const PcrSelection& selection : selections) {
    if (list.count == TPM2_NUM_PCR_BANKS) break;
    TPMS_PCR_SELECTION& entry = list.pcrSelections[list.count++];
    entry.hash = static_cast<TPMI_ALG_HASH>(selection.bank);
    entry.sizeofSelect = kPcrCount / 8;
    for (std::uint32_t octet = 0; octet < entry.sizeofSelect; ++octet) {
      entry.pcrSelect[octet] = static_cast<BYTE>(selection.mask >> (8 * octet) & 0xff);
    }
  }
  return list;
}

std::string ToString(const PcrSelection& selection) {
  std::string text(ToString(selection.bank));
  char separator = ':';
  for (std::uint32_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((selection.mask >> pcr & 1) == 0) continue;
    text += separator + std::to_string(pcr);
    separator = ',';
  }
  return text;
}

}  // namespace seaworthy::tpm
