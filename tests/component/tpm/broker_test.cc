#include <atomic>
#include <thread>

#include "component/tpm/fixture.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using std::chrono::milliseconds;

class BrokerTest : public TpmTest {
 protected:
  Status Ping(Deadline deadline) {
    return broker_->Run(deadline, [](Context& context) {
      return ReadPcrs(context, {{HashAlgorithm::kSha256, 1}}).status();
    });
  }
};

TEST_F(BrokerTest, MakesAndPinsTheStorageRootKey) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  const Result<Properties> properties =
      Run([](Context& context) { return ReadProperties(context); });
  ASSERT_THAT(properties, IsOk());
  EXPECT_EQ(FileText("tpm/srk.name"), Hex(properties->srk_name) + "\n");
  ASSERT_TRUE(Shell("tpm2_readpublic -c 0x81000001 -n name.bin > srk.txt"))
      << FileText("shell.log");
  EXPECT_EQ(Hex(AsBytes(FileText("name.bin"))), Hex(properties->srk_name));
  const std::string text = FileText("srk.txt");
  EXPECT_NE(text.find("value: fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|"
                      "restricted|decrypt"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("NIST p256"), std::string::npos) << text;
}

TEST_F(BrokerTest, UsesAStorageRootKeyMadeByOthers) {
  ASSERT_TRUE(
      Shell("tpm2_createprimary -C o -g sha256 -G ecc -c srk.ctx -a \"restricted|decrypt|"
            "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda\" && "
            "tpm2_evictcontrol -C o -c srk.ctx 0x81000001 && "
            "tpm2_readpublic -c 0x81000001 -n name.bin"))
      << FileText("shell.log");
  ASSERT_THAT(Ping(Soon()), IsOk());
  EXPECT_EQ(FileText("tpm/srk.name"), Hex(AsBytes(FileText("name.bin"))) + "\n");
}

TEST_F(BrokerTest, RefusesAnUnsuitableStorageRootKey) {
  ASSERT_TRUE(
      Shell("tpm2_createprimary -C o -g sha256 -G ecc -c key.ctx -a \"sign|fixedtpm|"
            "fixedparent|sensitivedataorigin|userwithauth\" && "
            "tpm2_evictcontrol -C o -c key.ctx 0x81000001"))
      << FileText("shell.log");
  EXPECT_THAT(Ping(Soon()), Fails(Code::kFailedPrecondition, "SRK_UNSUITABLE"));
}

// M-11: a swapped TPM.
TEST_F(BrokerTest, RefusesAnotherTpmAndLeavesItAlone) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  const std::string pinned = FileText("tpm/srk.name");
  broker_->Close();
  swtpm_.Replace();
  const Status status = Ping(Soon());
  EXPECT_THAT(status, Fails(Code::kFailedPrecondition, "TPM_REPLACED"));
  EXPECT_NE(Message(status).find("srk.name"), std::string::npos);
  EXPECT_EQ(FileText("tpm/srk.name"), pinned);
  ASSERT_TRUE(Shell("tpm2_getcap handles-persistent"));
  EXPECT_EQ(FileText("shell.log"), "") << "a TPM that is not ours was written to";
}

TEST_F(BrokerTest, MakesTheSameStorageRootKeyAgainAfterItWasEvicted) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  ASSERT_TRUE(Shell("tpm2_evictcontrol -C o -c 0x81000001")) << FileText("shell.log");
  EXPECT_THAT(Ping(Soon()), IsOk());
}

TEST_F(BrokerTest, SaysThatThePinIsDamagedAndKeepsIt) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  broker_->Close();
  ASSERT_THAT(ReplaceFile(root_ / "tpm/srk.name", AsBytes("000b12\n"), 0600), IsOk());
  EXPECT_THAT(Ping(Soon()), Fails(Code::kFailedPrecondition, "STATE_DAMAGED"));
  EXPECT_EQ(FileText("tpm/srk.name"), "000b12\n");
}

TEST_F(BrokerTest, ComesBackAfterTheTpmWasKilled) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  swtpm_.Kill();
  const Deadline deadline = Soon();
  EXPECT_THAT(Ping(deadline), Fails(Code::kUnavailable, "TPM_UNAVAILABLE"));
  EXPECT_THAT(Ping(deadline), Fails(Code::kUnavailable, "TPM_UNAVAILABLE"));
  EXPECT_GT(TimeLeft(deadline).count(), 0);
  EXPECT_THAT(broker_->health(), Fails(Code::kUnavailable, "TPM_UNAVAILABLE"));
  swtpm_.Start();
  EXPECT_THAT(Ping(Soon()), IsOk());
  EXPECT_THAT(broker_->health(), IsOk());
}

// A kept key's handle means nothing after a reset; no call may take another object for it.
TEST_F(BrokerTest, ForgetsLoadedKeysWhenTheTpmWasReset) {
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  const Bytes digest(32, 7);
  const auto sign = [&](Context& context) {
    return Sign(context, *key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256, digest);
  };
  ASSERT_THAT(Run(sign), IsOk());
  swtpm_.Kill();
  swtpm_.Start();
  EXPECT_THAT(Run(sign), Fails(Code::kUnavailable, "TPM_UNAVAILABLE"));
  EXPECT_THAT(Run(sign), IsOk());
}

TEST_F(BrokerTest, KeepsTheDeadlineWhenTheTpmHangs) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  swtpm_.Pause();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(Ping(DeadlineIn(milliseconds(200))), Fails(Code::kDeadlineExceeded, "TPM_TIMEOUT"));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, milliseconds(190));
  EXPECT_LT(took, std::chrono::seconds(5));
  swtpm_.Resume();
  EXPECT_THAT(Ping(Soon()), IsOk());
}

TEST_F(BrokerTest, OneUserAtATimeAndHonestDeadlines) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::atomic<int> done = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const Status status = broker_->Run(Soon(), [&](Context& context) {
          most = std::max(most.load(), ++inside);
          Status read = ReadPcrs(context, {{HashAlgorithm::kSha256, 1}}).status();
          --inside;
          return read;
        });
        if (status.ok()) ++done;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(done, 16 * 50);

  std::atomic<bool> started = false;
  std::atomic<bool> release = false;
  std::jthread holder([&] {
    (void)broker_->Run(Soon(), [&](Context&) {
      started = true;
      release.wait(false);
      return Status();
    });
  });
  while (!started) std::this_thread::yield();
  EXPECT_THAT(Ping(DeadlineIn(milliseconds(50))), Fails(Code::kDeadlineExceeded, "TPM_BUSY"));
  release = true;
  release.notify_all();
  holder.join();
  EXPECT_THAT(Ping(Soon()), IsOk());
}

TEST_F(BrokerTest, TellsWhatTheTpmIs) {
  const Result<Properties> properties =
      Run([](Context& context) { return ReadProperties(context); });
  ASSERT_THAT(properties, IsOk());
  EXPECT_EQ(properties->manufacturer, "IBM");
  EXPECT_EQ(properties->specification, "2.0 revision 1.64");
  EXPECT_GT(properties->max_failures, 0U);
  EXPECT_EQ(properties->key_algorithms.size(), 4U);
  EXPECT_FALSE(properties->pcr_banks.empty());
}

TEST_F(BrokerTest, ReportsComingAndGoing) {
  std::vector<bool> changes;
  broker_ = std::make_unique<Broker>(Broker::Options{
      .tcti = swtpm_.tcti(),
      .state_dir = root_ / "tpm",
      .on_change = [&](bool available, const std::string&) { changes.push_back(available); }});
  ASSERT_THAT(Ping(Soon()), IsOk());
  swtpm_.Kill();
  EXPECT_FALSE(Ping(Soon()).ok());
  swtpm_.Start();
  ASSERT_THAT(Ping(Soon()), IsOk());
  EXPECT_EQ(changes, (std::vector<bool>{true, false, true}));
}

// A node that starts without its TPM, or with another, is told of once, not only when it had one.
TEST_F(BrokerTest, ReportsEachReasonForBeingAway) {
  ASSERT_THAT(Ping(Soon()), IsOk());
  broker_->Close();
  swtpm_.Kill();
  std::vector<std::string> reasons;
  broker_ = std::make_unique<Broker>(
      Broker::Options{.tcti = swtpm_.tcti(),
                      .state_dir = root_ / "tpm",
                      .on_change = [&](bool, const std::string& why) { reasons.push_back(why); }});
  EXPECT_FALSE(Ping(Soon()).ok());
  EXPECT_FALSE(Ping(Soon()).ok());
  ASSERT_EQ(reasons.size(), 1U);
  swtpm_.Replace();
  EXPECT_FALSE(Ping(Soon()).ok());
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_NE(reasons[1].find("srk.name"), std::string::npos) << reasons[1];
}

}  // namespace
}  // namespace seaworthy::tpm
