#include "verify/measured_event.h"

#include "verify/boot_event_types.h"
#include "verify/digest.h"

namespace seaworthy::verify {

std::vector<MeasuredEvent> MeasuredEvents(const BootLog& log, std::uint16_t bank) {
  std::vector<MeasuredEvent> events;
  for (const BootEvent& event : log.events) {
    const auto digest = event.digests.find(bank);
    if (event.type == kEvNoAction || event.pcr >= kPcrCount || digest == event.digests.end()) {
      continue;
    }
    events.push_back(
        {&event, DecodeBootEvent(event), CheckEventDigest(event, bank), &digest->second});
  }
  return events;
}

std::string EventName(const MeasuredEvent& event) {
  return "event " + std::to_string(event.event->number) + " of the boot log";
}

Bytes BankDigest(std::uint16_t bank, ByteView bytes) {
  Bytes digest(DigestSize(bank));
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, PcrBankHash(bank), nullptr) !=
      1) {
    digest.clear();
  }
  return digest;
}

}  // namespace seaworthy::verify
