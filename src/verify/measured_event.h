// The events of a boot log in one bank.
#pragma once

#include <string>
#include <vector>

#include "seaworthy/boot_log.h"

namespace seaworthy::verify {

// An extended event with what it says and its digest in the bank.
struct MeasuredEvent {
  const BootEvent* event = nullptr;
  DecodedBootEvent decoded;
  DigestCheck check = DigestCheck::kNoDigest;
  const Bytes* digest = nullptr;
};

// In the log's order; one that has no digest in the bank is left out.
std::vector<MeasuredEvent> MeasuredEvents(const BootLog& log, std::uint16_t bank);

// "event 7 of the boot log".
std::string EventName(const MeasuredEvent& event);

// Over any bytes, in the hash of a bank that PcrBankHash knows.
Bytes BankDigest(std::uint16_t bank, ByteView bytes);

}  // namespace seaworthy::verify
