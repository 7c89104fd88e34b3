// What is to be heard of sealing on the TPM's bus, and seen in this process's memory.
#include "component/tpm/seal_fixture.h"
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
