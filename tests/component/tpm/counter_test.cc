#include "seaworthy/tpm/counter.h"

#include "component/tpm/fixture.h"
#include "support/tpm_bus.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;

constexpr std::uint32_t kNvRead = 0x14e;  // TPM_CC_NV_Read

class CounterTest : public TpmTest {
 protected:
  Result<std::uint32_t> Define() {
    return Run([](Context& context) { return DefineCounter(context); });
  }
  Result<std::uint64_t> Read(std::uint32_t counter) {
    return Run([&](Context& context) {
      SaltedSession session(context);
      return ReadCounter(session, counter);
    });
  }
  Result<std::uint64_t> Increment(std::uint32_t counter) {
    return Run([&](Context& context) { return IncrementCounter(context, counter); });
  }
  Status Delete(std::uint32_t counter) {
    return Run([&](Context& context) { return DeleteCounter(context, counter); });
  }
  HandleCounts Handles() {
    return *Run([](Context& context) { return CountHandles(context); });
  }
};

TEST_F(CounterTest, CountsUpAndLeavesNothingElse) {
  const Result<std::uint32_t> counter = Define();
  ASSERT_THAT(counter, IsOk());
  EXPECT_EQ(*counter, 0x01815700U);
  const Result<std::uint64_t> first = Read(*counter);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(*Increment(*counter), *first + 1);
  EXPECT_EQ(*Increment(*counter), *first + 2);
  Reopen();
  swtpm_.Kill();
  swtpm_.Start();
  EXPECT_EQ(*Read(*counter), *first + 2);
  const HandleCounts handles = Handles();
  EXPECT_EQ(handles.nv_indices, 1U);
  EXPECT_EQ(handles.sessions, 0U);
  EXPECT_EQ(handles.transient, 0U);
  EXPECT_THAT(Delete(*counter), IsOk());
  EXPECT_EQ(Handles().nv_indices, 0U);
  EXPECT_THAT(Read(*counter), Fails(Code::kNotFound, "COUNTER_UNDEFINED"));
}

TEST_F(CounterTest, IsWhatOthersSeeInTheTpm) {
  const Result<std::uint32_t> counter = Define();
  ASSERT_THAT(counter, IsOk());
  ASSERT_THAT(Increment(*counter), IsOk());
  ASSERT_TRUE(
      Shell("tpm2_nvreadpublic 0x1815700 > public.txt; tpm2_nvread -C 0x1815700 0x1815700 > "
            "value.bin"))
      << FileText("shell.log");
  const std::string text = FileText("public.txt");
  EXPECT_NE(text.find("friendly: ownerwrite|authwrite|nt=0x1|ownerread|authread|no_da|written"),
            std::string::npos)
      << text;
  std::uint64_t value = 0;
  const std::string content = FileText("value.bin");
  for (const std::uint8_t byte : AsBytes(content)) value = value << 8 | byte;
  EXPECT_EQ(value, *Read(*counter));
}

// Part 1, 37.2.4: or a state could be set back by making its counter anew.
TEST_F(CounterTest, DefinedAnewItBeginsAboveAllThatWas) {
  const Result<std::uint32_t> old = Define();
  ASSERT_THAT(old, IsOk());
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Increment(*old), IsOk());
  const std::uint64_t last = *Read(*old);
  ASSERT_THAT(Delete(*old), IsOk());
  const Result<std::uint32_t> again = Define();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, *old);
  EXPECT_GT(*Read(*again), last);
}

TEST_F(CounterTest, TakesTheFirstFreeIndex) {
  const Result<std::uint32_t> first = Define();
  const Result<std::uint32_t> second = Define();
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(*second, *first + 1);
  ASSERT_THAT(Delete(*first), IsOk());
  EXPECT_EQ(*Define(), *first);
}

TEST_F(CounterTest, AnotherIndexInItsPlaceIsNoCounter) {
  const Result<std::uint32_t> counter = Define();
  ASSERT_THAT(counter, IsOk());
  ASSERT_THAT(Delete(*counter), IsOk());
  ASSERT_TRUE(
      Shell("tpm2_nvdefine -C o -s 8 -a \"ownerread|ownerwrite|authread|authwrite|no_da\" "
            "0x1815700 && head -c 8 /dev/zero | tpm2_nvwrite -C o -i - 0x1815700"))
      << FileText("shell.log");
  EXPECT_THAT(Read(*counter), Fails(Code::kFailedPrecondition, "COUNTER_REPLACED"));
  EXPECT_THAT(Increment(*counter), Fails(Code::kFailedPrecondition, "COUNTER_REPLACED"));
  EXPECT_THAT(Delete(*counter), Fails(Code::kFailedPrecondition, "COUNTER_REPLACED"));
}

// M-09: something on the bus that answers with what was true once.
TEST_F(CounterTest, AnOldAnswerIsSeen) {
  testing::TpmBus bus(swtpm_.tcti());
  broker_ = std::make_unique<Broker>(
      Broker::Options{.tcti = bus.tcti(), .state_dir = root_ / "tpm", .on_change = {}});
  const Result<std::uint32_t> counter = Define();
  ASSERT_THAT(counter, IsOk());
  Bytes old;
  bus.Meddle([&](std::uint32_t code, const Bytes& command, const testing::TpmBus::Tpm& tpm) {
    if (code != kNvRead) return tpm(command);
    const Bytes answer = tpm(command);
    if (old.empty()) old = answer;
    return old;
  });
  ASSERT_THAT(Read(*counter), IsOk());
  EXPECT_THAT(Read(*counter), Fails(Code::kInternal, "TPM_RESPONSE_FORGED"));
  // Nor within one session.
  old.clear();
  EXPECT_THAT(Run([&](Context& context) {
                SaltedSession session(context);
                EXPECT_THAT(ReadCounter(session, *counter, Afterwards::kContinue), IsOk());
                return ReadCounter(session, *counter);
              }),
              Fails(Code::kInternal, "TPM_RESPONSE_FORGED"));
  broker_.reset();
}

TEST_F(CounterTest, AnotherCountersAnswerIsSeen) {
  testing::TpmBus bus(swtpm_.tcti());
  broker_ = std::make_unique<Broker>(
      Broker::Options{.tcti = bus.tcti(), .state_dir = root_ / "tpm", .on_change = {}});
  const Result<std::uint32_t> counter = Define();
  const Result<std::uint32_t> other = Define();
  ASSERT_THAT(other, IsOk());
  bus.Meddle([&](std::uint32_t code, const Bytes& command, const testing::TpmBus::Tpm& tpm) {
    Bytes asked = command;
    if (code == kNvRead) asked.at(13) = asked.at(17) = *other & 0xff;  // of both handles
    return tpm(asked);
  });
  EXPECT_THAT(Read(*counter), Fails(Code::kPermissionDenied, "TPM_AUTH_FAILED"));
  EXPECT_THAT(Read(*other), IsOk());
  broker_.reset();
}

}  // namespace
}  // namespace seaworthy::tpm
