// Attest, with the TPM real and the kernel's part done here: entries into a file, PCR 10 extended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "modules/attestation/ima_follower.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/attestation.h"
#include "seaworthy/verifier.h"
#include "support/measured_node.h"

namespace seaworthy::attestation {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::ImaExtension;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::MakeImaNgEntry;
using ::testing::ElementsAre;

const std::vector<tpm::PcrSelection> kAll = {{tpm::HashAlgorithm::kSha256, tpm::kAllPcrs}};

class EvidenceTest : public ::testing::Test {
 protected:
  EvidenceTest() {
    std::ofstream(boot_log_) << "a boot log";
    Boot();
  }

  Attestation::Options Options() {
    return {.state_dir = node_.root().path().string(),
            .ak_algorithm = tpm::KeyAlgorithm::kEcP256,
            .boot_log = boot_log_,
            .ima_list = list_,
            .certify = [this](Deadline deadline, const std::string& name,
                              ByteView nonce) -> Result<verify::KeyCertification> {
              if (name != "tls") return Fail(Code::kNotFound, "KEY_NOT_FOUND", name);
              if (!key_) {
                Result<tpm::WrappedKey> made = node_.broker().Run(
                    deadline, [](tpm::Context& context) { return tpm::CreateKey(context, {}); });
                if (!made.ok()) return made.status();
                key_ = *std::move(made);
              }
              return attestation_->CertifyKey(deadline, *key_, nonce);
            }};
  }

  void Boot() {
    policy_ = {};
    policy_.ima.required = true;
    attestation_ = std::make_unique<Attestation>(node_.broker(), events_, Options());
    ASSERT_THAT(attestation_->Start(), IsOk());
  }
  void Reboot() {
    attestation_.reset();
    node_.Reset();
    node_.Boot();
    Boot();
  }

  static Deadline Soon() { return DeadlineIn(std::chrono::seconds(20)); }

  void List(ByteView entry) { node_.List(entry); }
  void Extend(ByteView sha256) { node_.Extend(sha256); }
  void Measure(const std::string& path, ByteView digest) {
    node_.Measure(path, digest);
    verify::AllowFile(policy_, path, {"sha256", Bytes(digest.begin(), digest.end())});
  }

  Status Attest(const Attestation::AttestRequest& request) {
    parts_.clear();
    evidence_ = {};
    return attestation_->Attest(Soon(), request, [&](const verify::Evidence& part) -> Status {
      if (parts_.empty()) evidence_ = part;
      if (!parts_.empty()) {
        EXPECT_TRUE(part.quoted.empty());
        EXPECT_TRUE(part.boot_log.empty());
        evidence_.ima_list.insert(evidence_.ima_list.end(), part.ima_list.begin(),
                                  part.ima_list.end());
      }
      parts_.push_back(part.ima_list.size());
      return {};
    });
  }
  // A round as a backend makes it.
  verify::Judgement Round(const std::optional<verify::NodeState>& previous = std::nullopt) {
    Attestation::AttestRequest request{.nonce = nonce_, .selections = kAll};
    if (previous) {
      request.ima_first = previous->ima_entries;
      request.reset_count = previous->reset_count;
    }
    EXPECT_THAT(Attest(request), IsOk());
    return verify::Verifier::Create(policy_).value().Verify(
        evidence_, nonce_, {attestation_->AttestationKey(Soon())->name}, previous);
  }
  static std::vector<std::string> Failures(const verify::Verdict& verdict) {
    std::vector<std::string> codes;
    for (const verify::Finding& finding : verdict.findings) {
      if (finding.severity == verify::Severity::kFailure) codes.push_back(finding.code);
    }
    return codes;
  }

  testing::MeasuredNode node_;
  Events events_;
  const std::string& list_ = node_.list();
  const std::string boot_log_ = node_.root() / "boot_log";
  std::unique_ptr<Attestation> attestation_;
  std::optional<tpm::WrappedKey> key_;  // "tls", when it was certified
  const Bytes nonce_ = Bytes(32, 0x11);
  verify::Policy policy_;  // allows what was measured
  verify::Evidence evidence_;
  std::vector<std::size_t> parts_;  // bytes of the list in each
};

TEST_F(EvidenceTest, EachRoundSendsWhatIsNew) {
  Measure("/usr/bin/a", Bytes(32, 1));
  Measure("/usr/bin/b", Bytes(32, 2));
  const verify::Judgement first = Round();
  EXPECT_THAT(Failures(first.verdict), ElementsAre());
  EXPECT_EQ(AsText(evidence_.boot_log), "a boot log");
  EXPECT_EQ(evidence_.ima_list, *ReadFile(list_, 1 << 20));
  ASSERT_TRUE(first.state);
  EXPECT_EQ(first.state->ima_entries, 3U);

  Measure("/usr/bin/c", Bytes(32, 3));
  const verify::Judgement second = Round(first.state);
  EXPECT_THAT(Failures(second.verdict), ElementsAre());
  EXPECT_EQ(evidence_.ima_first, 3U);
  EXPECT_EQ(evidence_.ima_list, MakeImaNgEntry("/usr/bin/c", Bytes(32, 3)));

  const verify::Judgement third = Round(second.state);
  EXPECT_THAT(Failures(third.verdict), ElementsAre());
  EXPECT_TRUE(evidence_.ima_list.empty());

  policy_.ima.files.erase("/usr/bin/c");
  EXPECT_THAT(Failures(Round(first.state).verdict), ElementsAre("IMA_FILE_UNLISTED"));
}

TEST_F(EvidenceTest, LeavesOffWhatIsNotQuotedYet) {
  Measure("/usr/bin/a", Bytes(32, 1));
  const Bytes entry = MakeImaNgEntry("/usr/bin/b", Bytes(32, 2));
  List(entry);
  const verify::Judgement first = Round();
  EXPECT_THAT(Failures(first.verdict), ElementsAre());
  EXPECT_EQ(evidence_.ima_list.size() + entry.size(), std::filesystem::file_size(list_));
  Extend(ImaExtension(entry));
  verify::AllowFile(policy_, "/usr/bin/b", {"sha256", Bytes(32, 2)});
  EXPECT_THAT(Failures(Round(first.state).verdict), ElementsAre());
  EXPECT_EQ(evidence_.ima_list, entry);
}

// M-55: an entry that comes in pieces is never cut.
TEST_F(EvidenceTest, WaitsForTheRestOfAnEntry) {
  const Bytes entry = MakeImaNgEntry("/usr/bin/a", Bytes(32, 1));
  List(ByteView(entry).first(entry.size() / 2));
  const verify::Judgement first = Round();
  EXPECT_THAT(Failures(first.verdict), ElementsAre());
  List(ByteView(entry).subspan(entry.size() / 2));
  Extend(ImaExtension(entry));
  verify::AllowFile(policy_, "/usr/bin/a", {"sha256", Bytes(32, 1)});
  EXPECT_THAT(Failures(Round(first.state).verdict), ElementsAre());
}

TEST_F(EvidenceTest, BeginsAnewAfterABoot) {
  Measure("/usr/bin/a", Bytes(32, 1));
  Measure("/usr/bin/b", Bytes(32, 2));
  const verify::Judgement before = Round();
  ASSERT_TRUE(before.state);
  Reboot();
  for (int i = 0; i < 5; ++i) Measure("/usr/bin/c" + std::to_string(i), Bytes(32, 3));
  const verify::Judgement after = Round(before.state);
  EXPECT_THAT(Failures(after.verdict), ElementsAre());
  EXPECT_EQ(evidence_.ima_first, 0U);
  ASSERT_TRUE(after.state);
  EXPECT_EQ(after.state->ima_entries, 6U);
  EXPECT_THAT(Failures(Round(after.state).verdict), ElementsAre());
  EXPECT_EQ(evidence_.ima_first, 6U);
}

TEST_F(EvidenceTest, BeginsAnewForOneWhoKnowsMoreThanThereIs) {
  verify::Judgement judgement = Round();
  ASSERT_TRUE(judgement.state);
  judgement.state->ima_entries = 1'000;
  EXPECT_THAT(Attest({.nonce = nonce_,
                      .selections = kAll,
                      .ima_first = 1'000,
                      .reset_count = judgement.state->reset_count}),
              IsOk());
  EXPECT_EQ(evidence_.ima_first, 0U);
  EXPECT_EQ(evidence_.ima_list, *ReadFile(list_, 1 << 20));
}

// M-55: whatever else extends PCR 10, the list is sent as it is and the verifier says so.
TEST_F(EvidenceTest, SendsAListThatDoesNotFitTheQuote) {
  Measure("/usr/bin/a", Bytes(32, 1));
  Extend(Bytes(32, 0xee));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Failures(Round().verdict), ElementsAre("IMA_LIST_MISMATCH"));
    EXPECT_EQ(evidence_.ima_list, *ReadFile(list_, 1 << 20));
  }
}

TEST_F(EvidenceTest, EntriesOfOtherPcrsAreInTheList) {
  Bytes entry = MakeImaNgEntry("/usr/bin/a", Bytes(32, 1));
  entry[0] = 11;
  List(entry);
  Measure("/usr/bin/b", Bytes(32, 2));
  const Bytes quoted = *ReadFile(list_, 1 << 20);
  List(MakeImaNgEntry("/usr/bin/c", Bytes(32, 3)));
  EXPECT_THAT(Failures(Round().verdict), ElementsAre("IMA_OTHER_PCR"));
  EXPECT_EQ(evidence_.ima_list, quoted);
}

// M-54.
TEST_F(EvidenceTest, CertifiesKeysOverTheSameNonce) {
  Attestation::AttestRequest request{.nonce = nonce_, .selections = kAll, .keys = {"tls"}};
  ASSERT_THAT(Attest(request), IsOk());
  const verify::Judgement judgement = verify::Verifier::Create({}).value().Verify(
      evidence_, nonce_, {attestation_->AttestationKey(Soon())->name});
  EXPECT_THAT(Failures(judgement.verdict), ElementsAre());
  ASSERT_EQ(judgement.verdict.keys.size(), 1U);
  EXPECT_EQ(judgement.verdict.keys[0].name, tpm::ReadPublicKey(*key_)->name);
  request.keys = {"tls", "nobody"};
  EXPECT_THAT(Attest(request), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  request.keys.assign(verify::kMaxKeys + 1, "tls");
  EXPECT_THAT(Attest(request), Fails(Code::kInvalidArgument, "TOO_MANY_KEYS"));
}

TEST_F(EvidenceTest, SendsALongListInParts) {
  const std::string folder(4'000, 'd');
  for (int i = 0; i < 900; ++i) {
    Measure("/" + folder + "/" + std::to_string(i), Bytes(32, static_cast<std::uint8_t>(i)));
  }
  const verify::Judgement first = Round();
  EXPECT_THAT(Failures(first.verdict), ElementsAre());
  ASSERT_EQ(parts_.size(), 4U);
  for (const std::size_t size : parts_) EXPECT_LT(size, ImaFollower::kPiece + 8'192);
  EXPECT_EQ(evidence_.ima_list, *ReadFile(list_, 1 << 23));
  ASSERT_TRUE(first.state);
  // What is kept in memory does not reach back to these.
  for (const std::uint64_t from : {0U, 1U, 300U, 700U, 899U, 900U, 901U}) {
    EXPECT_THAT(Attest({.nonce = nonce_,
                        .selections = kAll,
                        .ima_first = from,
                        .reset_count = first.state->reset_count}),
                IsOk());
    verify::ImaListReader reader;
    reader.Add(evidence_.ima_list);
    std::uint64_t entries = 0;
    while ((*reader.Next()).has_value()) ++entries;
    EXPECT_EQ(reader.rest(), 0U);
    EXPECT_EQ(evidence_.ima_first, from);
    EXPECT_EQ(entries, 901 - from);
  }
}

TEST_F(EvidenceTest, SendsNoLogThatIsNotThereAndNoListWithoutItsPcr) {
  EXPECT_THAT(
      Attest({.nonce = nonce_, .selections = {{tpm::HashAlgorithm::kSha256, 1U << 0 | 1U << 7}}}),
      IsOk());
  EXPECT_TRUE(evidence_.ima_list.empty());
  EXPECT_FALSE(evidence_.boot_log.empty());
  std::filesystem::remove(list_);
  std::filesystem::remove(boot_log_);
  attestation_ = std::make_unique<Attestation>(node_.broker(), events_, Options());
  EXPECT_THAT(Failures(Round().verdict), ElementsAre("IMA_LIST_MISSING"));
  EXPECT_EQ(parts_.size(), 1U);
  EXPECT_TRUE(evidence_.boot_log.empty());
}

TEST_F(EvidenceTest, SaysWhichLogCannotBeRead) {
  const Attestation::AttestRequest request{.nonce = nonce_, .selections = kAll};
  List(Bytes(100, 0xff));
  Extend(Bytes(32, 1));
  EXPECT_THAT(Attest(request), Fails(Code::kFailedPrecondition, "IMA_LIST_UNREADABLE"));
  EXPECT_TRUE(parts_.empty());
  std::filesystem::remove(list_);
  std::filesystem::create_directory(list_);
  EXPECT_THAT(Attest(request), Fails(Code::kFailedPrecondition, "IMA_LIST_UNREADABLE"));
  std::ofstream(boot_log_) << std::string((1 << 20) + 1, 'x');
  EXPECT_THAT(Attest(request), Fails(Code::kFailedPrecondition, "BOOT_LOG_UNREADABLE"));
}

TEST_F(EvidenceTest, EndsAtTheDeadlineAndWhenNobodyTakes) {
  Measure("/usr/bin/a", Bytes(32, 1));
  const Attestation::AttestRequest request{.nonce = nonce_, .selections = kAll};
  EXPECT_THAT(attestation_->Attest(Soon(), request,
                                   [](const verify::Evidence&) {
                                     return Fail(Code::kCancelled, "CLIENT_GONE", "gone");
                                   }),
              Fails(Code::kCancelled, "CLIENT_GONE"));
  EXPECT_THAT(Failures(Round().verdict), ElementsAre());
  Result<ImaFollower> follower = ImaFollower::Open(list_, TPM2_ALG_SHA256);
  ASSERT_THAT(follower, IsOk());
  EXPECT_THAT(follower->FollowTo(Bytes(32, 1), 0, DeadlineIn(std::chrono::seconds(0)),
                                 [](ByteView) { return Status(); }),
              Fails(Code::kDeadlineExceeded, "IMA_LIST_LONG"));
}

}  // namespace
}  // namespace seaworthy::attestation
