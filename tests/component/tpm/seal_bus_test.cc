// What is to be heard of sealing on the TPM's bus, and seen in this process's memory.
#include "component/tpm/seal_fixture.h"
#include "seaworthy/tpm/counter.h"
#include "support/own_memory.h"
#include "support/tpm_bus.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::CopiesInMemory;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TpmBus;
using ::testing::ElementsAre;

constexpr SealParent kSrk = SealParent::kStorageRootKey;

bool Contains(const Bytes& heard, ByteView wanted) {
  return !std::ranges::search(heard, wanted).empty();
}

// TPM2_PCR_Extend of PCR 10 with zeros, as the kernel does when a file is measured.
Bytes ExtendPcr10() {
  Bytes command = *ParseHex("800200000041000001820000000a0000000940000009000000000000000001000b");
  command.resize(command.size() + 32);
  return command;
}

class SealBusTest : public SealTest {
 protected:
  SealBusTest() : bus_(swtpm_.tcti()) { Attach(); }
  ~SealBusTest() override { broker_.reset(); }

  void Attach() {
    broker_ = std::make_unique<Broker>(
        Broker::Options{.tcti = bus_.tcti(), .state_dir = root_ / "tpm", .on_change = {}});
  }

  TpmBus bus_;
};

// M-09.
TEST_F(SealBusTest, NeitherSecretNorPinIsHeard) {
  const SealPolicy policy = Policy(true, true, true);
  const PolicySignature signature = SignPcrs(kSignedPcrs);
  for (const SealParent parent : {kSrk, SealParent::kLegacyEcc}) {
    bus_.TakeHeard();
    const Result<SealedObject> object = SealIt(policy, parent);
    ASSERT_THAT(object, IsOk());
    EXPECT_THAT(Open(*object, policy, parent, signature), IsTheSecret());
    const Bytes heard = bus_.TakeHeard();
    EXPECT_TRUE(Contains(heard, ByteView(object->private_area).last(32))) << "nothing was heard";
    EXPECT_FALSE(Contains(heard, Secret().view()));
    EXPECT_FALSE(Contains(heard, Pin().view()));
  }
}

TEST_F(SealBusTest, OpeningTakesFewCommands) {
  const SealPolicy policy = Policy(false, true, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  bus_.TakeCommands();
  ASSERT_THAT(Open(*object, policy), IsTheSecret());
  EXPECT_THAT(bus_.TakeCommands(),
              ElementsAre(TPM2_CC_Load, TPM2_CC_StartAuthSession, TPM2_CC_PolicyPCR, TPM2_CC_Unseal,
                          TPM2_CC_FlushContext));
}

// To begin a session costs most.
TEST_F(SealBusTest, OneSessionServesForAllTokensAndTheCounter) {
  const SealPolicy policy = Policy(false, true, false);
  SealPolicy untold = policy;
  untold.pcrs.pcr_digest.clear();
  const Result<SealedObject> past = SealIt(policy);
  ASSERT_THAT(Extend(14), IsOk());
  const Result<SealedObject> present = SealIt(Policy(false, true, false));
  const auto counter = Run([](Context& context) { return DefineCounter(context); });
  ASSERT_THAT(past, IsOk());
  ASSERT_THAT(present, IsOk());
  ASSERT_THAT(counter, IsOk());
  const auto before = Run([&](Context& context) { return IncrementCounter(context, *counter); });
  bus_.TakeCommands();
  const auto value = Run([&](Context& context) -> Result<std::uint64_t> {
    SaltedSession session(context);
    const auto open = [&](const SealedObject& object) {
      return Unseal(session, object, kSrk, untold, {}, {}, Afterwards::kContinue);
    };
    EXPECT_THAT(open(*past), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
    EXPECT_THAT(open(*present), IsTheSecret());
    EXPECT_EQ(*ReadCounter(session, *counter, Afterwards::kContinue), *before);
    EXPECT_THAT(open(*present), IsTheSecret());
    return ReadCounter(session, *counter);
  });
  EXPECT_EQ(*value, *before);
  EXPECT_THAT(
      bus_.TakeCommands(),
      ElementsAre(TPM2_CC_Load, TPM2_CC_StartAuthSession, TPM2_CC_PolicyPCR, TPM2_CC_Unseal,
                  TPM2_CC_FlushContext, TPM2_CC_Load, TPM2_CC_PolicyRestart, TPM2_CC_PolicyPCR,
                  TPM2_CC_Unseal, TPM2_CC_FlushContext, TPM2_CC_NV_ReadPublic, TPM2_CC_NV_Read,
                  TPM2_CC_Load, TPM2_CC_PolicyRestart, TPM2_CC_PolicyPCR, TPM2_CC_Unseal,
                  TPM2_CC_FlushContext, TPM2_CC_NV_ReadPublic, TPM2_CC_NV_Read));
  EXPECT_EQ(Handles().sessions, 0U);
  EXPECT_EQ(Handles().transient, 0U);
}

TEST_F(SealBusTest, AnRsaStorageRootKeyServesAsWell) {
  ASSERT_TRUE(
      Shell("tpm2_createprimary -C o -G rsa2048 -c srk.ctx -a "
            "\"restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda\" && "
            "tpm2_evictcontrol -C o -c srk.ctx 0x81000001 && tpm2_flushcontext -t"))
      << FileText("shell.log");
  const SealPolicy policy = Policy(false, true, true);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  bus_.TakeHeard();
  EXPECT_THAT(Open(*object, policy), IsTheSecret());
  EXPECT_FALSE(Contains(bus_.TakeHeard(), Secret().view()));
}

TEST_F(SealBusTest, IsAskedAgainWhenTheTpmCannotJustNow) {
  const SealPolicy policy = Policy(false, true, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  int refusals = 4;
  bus_.Meddle([&](std::uint32_t code, const Bytes& command, const TpmBus::Tpm& tpm) {
    const bool refused = code == TPM2_CC_Unseal && refusals-- > 0;
    return refused ? *ParseHex("80010000000a00000922") : tpm(command);  // TPM_RC_RETRY
  });
  EXPECT_THAT(Open(*object, policy), IsTheSecret());
  refusals = 1000;
  EXPECT_FALSE(Open(*object, policy).ok());
  EXPECT_EQ(refusals, 995);
}

// A response that takes the session's place, its HMAC's or the secret's.
TEST_F(SealBusTest, NoForgedPartOfAnAnswerIsTaken) {
  const SealPolicy policy = Policy(false, true, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  std::size_t size = 0;
  for (std::size_t at = 0; at == 0 || at < size; at += 3) {
    bus_.Meddle([&](std::uint32_t code, const Bytes& command, const TpmBus::Tpm& tpm) {
      Bytes answer = tpm(command);
      size = code == TPM2_CC_Unseal ? answer.size() : size;
      // Not its size: more than there is would be waited for.
      if (code == TPM2_CC_Unseal && (at < 2 || at > 5)) answer.at(at) ^= 1;
      return answer;
    });
    const Result<SecretBytes> opened = Open(*object, policy);
    EXPECT_EQ(opened.ok(), at >= 2 && at <= 5) << at;
  }
  EXPECT_GT(size, 100U);
  bus_.Meddle([](std::uint32_t code, const Bytes& command, const TpmBus::Tpm& tpm) {
    if (code != TPM2_CC_Unseal) return tpm(command);
    (void)tpm(command);
    // A secret of the interposer's own, and no session.
    return *ParseHex("80010000000e0000000000020102");
  });
  EXPECT_FALSE(Open(*object, policy).ok());
}

TEST_F(SealBusTest, AForgedAnswerIsSeen) {
  const SealPolicy policy = Policy(false, true, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  bus_.Meddle([](std::uint32_t code, const Bytes& command, const TpmBus::Tpm& tpm) {
    Bytes answer = tpm(command);
    if (code == TPM2_CC_Unseal) answer[20] ^= 1;
    return answer;
  });
  EXPECT_THAT(Open(*object, policy), Fails(Code::kInternal, "TPM_RESPONSE_FORGED"));
}

// Whoever sits on the bus may name a parent of his own, and have the secret sealed to that.
TEST_F(SealBusTest, AForgedParentIsSeen) {
  const SealPolicy policy = Policy(false, true, false);
  bus_.Meddle([&](std::uint32_t code, const Bytes& command, const TpmBus::Tpm& tpm) {
    Bytes answer = tpm(command);
    if (code == TPM2_CC_CreatePrimary) answer.at(80) ^= 1;
    return answer;
  });
  EXPECT_THAT(SealIt(policy, SealParent::kLegacyEcc),
              Fails(Code::kInternal, "TPM_RESPONSE_FORGED"));
}

TEST_F(SealBusTest, UnrelatedPcrsMayChangeMeanwhile) {
  const SealPolicy policy = Policy(true, true, false);
  const PolicySignature signature = SignPcrs(kSignedPcrs);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  int changes = 2;
  Bytes extended;
  bus_.Meddle([&](std::uint32_t code, const Bytes& command, const TpmBus::Tpm& tpm) {
    if (code == TPM2_CC_Unseal && changes-- > 0) extended = tpm(ExtendPcr10());
    return tpm(command);
  });
  EXPECT_THAT(Open(*object, policy, kSrk, signature), IsTheSecret());
  EXPECT_LE(changes, 0);
  EXPECT_EQ(Hex(extended), "80020000001300000000000000000000010000");
  changes = 1000;
  EXPECT_THAT(Open(*object, policy, kSrk, signature), Fails(Code::kAborted, "PCR_CHANGED"));
  bus_.Meddle(nullptr);
  ExpectNothingLeft();
}

TEST_F(SealBusTest, RandomBytesAreNotHeard) {
  const auto random = [&](std::size_t size) {
    return Run([&](Context& context) { return Random(context, size); });
  };
  const Result<SecretBytes> first = random(150);
  const Result<SecretBytes> second = random(150);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->size(), 150U);
  EXPECT_FALSE(std::ranges::equal(first->view(), second->view()));
  const Bytes heard = bus_.TakeHeard();
  for (const std::size_t part : {0U, 60U, 134U}) {
    EXPECT_FALSE(
        std::ranges::all_of(first->view().subspan(part, 16), [](int b) { return b == 0; }));
    EXPECT_FALSE(Contains(heard, first->view().subspan(part, 16)));
  }
  EXPECT_THAT(random(1025), Fails(Code::kInvalidArgument, "RANDOM_SIZE"));
  EXPECT_THAT(random(0), IsOk());
}

// tss2 has answers in buffers of its own.
TEST_F(SealBusTest, NoCopyOfTheSecretStaysInMemory) {
  const SealPolicy policy = Policy(false, true, false);
  const auto inverted = [](const SecretBytes& secret) {
    Bytes bytes;
    for (const std::uint8_t byte : secret.view()) bytes.push_back(byte ^ 0xffU);
    return bytes;
  };
  Bytes wanted;
  Result<SealedObject> object = SealedObject();
  {
    const Result<SecretBytes> secret = Run([&](Context& context) { return Random(context, 32); });
    ASSERT_THAT(secret, IsOk());
    wanted = inverted(*secret);
    EXPECT_EQ(CopiesInMemory(wanted), 1U);
    object = Run([&](Context& context) { return Seal(context, kSrk, policy, {}, *secret); });
    ASSERT_THAT(object, IsOk());
    EXPECT_EQ(CopiesInMemory(wanted), 1U);
  }
  EXPECT_EQ(CopiesInMemory(wanted), 0U);
  {
    const Result<SecretBytes> opened = Open(*object, policy);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(inverted(*opened), wanted);
    EXPECT_EQ(CopiesInMemory(wanted), 1U);
  }
  EXPECT_EQ(CopiesInMemory(wanted), 0U);
}

}  // namespace
}  // namespace seaworthy::tpm
