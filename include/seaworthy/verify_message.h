// Evidence and certifications as the API's messages. Whoever calls these includes the *.pb.h
// and links the messages. Not installed.
#pragma once

#include "seaworthy/enrolment.h"
#include "seaworthy/verify.h"

namespace seaworthy::v1 {
class Endorsement;
class Evidence;
class KeyCertification;
}  // namespace seaworthy::v1

namespace seaworthy::verify {

// Replace what the message held. A bank that the API has no word for becomes unspecified.
void ToMessage(const Evidence& evidence, v1::Evidence& message);
void ToMessage(const KeyCertification& certification, v1::KeyCertification& message);

// Take the message as it is; judging it is for VerifyQuote and VerifyKeyCertification. A bank
// that is not known becomes 0, which they refuse.
Evidence FromMessage(const v1::Evidence& message);
KeyCertification FromMessage(const v1::KeyCertification& message);
Endorsement FromMessage(const v1::Endorsement& message);

}  // namespace seaworthy::verify
