#include "seaworthy/modules/integrity/file_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "support/fault_points.h"
#include "support/status_matchers.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TempRoot;
using ::testing::HasSubstr;
using verify::ImaHash;
using verify::ImaSignature;

constexpr SignatureOptions kUser = {.user_attributes = true};
constexpr SignatureOptions kUserEvm = {.evm = true, .user_attributes = true};

class EachKey : public ::testing::TestWithParam<std::tuple<const char*, ImaHash>> {
 protected:
  EachKey() { WriteText(file_, std::string(1'000'000, 'x')); }

  bool Evmctl(const std::string& arguments) {
    return Runs(root_, "evmctl --xattr-user " + arguments + " file");
  }
  std::string Log() const { return ReadText(root_ / "log"); }
  std::string HashName() const { return std::string(ToString(options_.hash)); }
  bool IsRsa() const { return std::get<0>(GetParam()) == kRsa; }

  TempRoot root_;
  const std::string file_ = root_ / "file";
  SigningKey key_{std::get<0>(GetParam())};
  const std::string with_certificate_ = "--key " + key_.certificate_file();
  const std::string with_key_ = "--key " + key_.key_file();
  SignatureOptions options_ = {.hash = std::get<1>(GetParam()), .user_attributes = true};
};
INSTANTIATE_TEST_SUITE_P(Keys, EachKey,
                         ::testing::Combine(::testing::Values(kRsa, kEc),
                                            ::testing::Values(ImaHash::kSha256, ImaHash::kSha384,
                                                              ImaHash::kSha512)),
                         [](const auto& param) {
                           return (std::get<0>(param.param) == kRsa ? "Rsa" : "Ec") +
                                  std::string(ToString(std::get<1>(param.param)));
                         });

TEST_P(EachKey, EvmctlTakesOurSignature) {
  ASSERT_THAT(SignFile(file_, key_.Signer(), options_), IsOk());
  EXPECT_TRUE(Evmctl("ima_verify " + with_certificate_)) << Log();
  EXPECT_THAT(CheckPath(file_, key_.Keys(), options_), IsOk());
  WriteText(file_, "other");
  EXPECT_FALSE(Evmctl("ima_verify " + with_certificate_));
  EXPECT_THAT(CheckPath(file_, key_.Keys(), options_),
              Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
}

TEST_P(EachKey, WeTakeEvmctls) {
  ASSERT_TRUE(Evmctl("ima_sign " + with_key_ + " --hashalgo " + HashName())) << Log();
  EXPECT_THAT(CheckPath(file_, key_.Keys(), options_), IsOk());
  // PKCS#1 v1.5 has one signature for a digest.
  const std::optional<Bytes> theirs = Attribute(file_, "user.ima");
  if (IsRsa()) {
    ASSERT_TRUE(SetAttribute(file_, "user.ima", {}));
    ASSERT_THAT(SignFile(file_, key_.Signer(), options_), IsOk());
    EXPECT_EQ(Attribute(file_, "user.ima"), theirs);
  }
  ASSERT_EQ(truncate(file_.c_str(), 999'999), 0);
  EXPECT_THAT(CheckPath(file_, key_.Keys(), options_),
              Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
}

// What can't be set here, for want of privilege, is missing for both of us.
void SetProtectedAttributes(const std::string& file) {
  for (const char* name : {"SMACK64", "SMACK64EXEC", "SMACK64MMAP", "apparmor", "selinux"}) {
    SetAttribute(file, std::string("security.") + name, AsBytes(std::string("label ") + name));
  }
  const Bytes capability = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  SetAttribute(file, "security.capability", capability);
}

TEST_P(EachKey, EvmctlTakesOurPortableSignature) {
  SetProtectedAttributes(file_);
  options_.evm = true;
  ASSERT_EQ(chmod(file_.c_str(), 04751), 0);
  ASSERT_THAT(SignFile(file_, key_.Signer(), options_), IsOk());
  EXPECT_TRUE(Evmctl("verify --smack " + with_certificate_)) << Log();
  EXPECT_TRUE(Evmctl("ima_verify " + with_certificate_)) << Log();
  EXPECT_THAT(CheckPath(file_, key_.Keys(), options_), IsOk());
  ASSERT_EQ(chmod(file_.c_str(), 0755), 0);
  EXPECT_FALSE(Evmctl("verify --smack " + with_certificate_));
  const Status status = CheckPath(file_, key_.Keys(), options_);
  EXPECT_THAT(status, Fails(Code::kPermissionDenied, "IMA_SIGNATURE_INVALID"));
  EXPECT_THAT(Message(status), HasSubstr("user.evm"));
}

TEST_P(EachKey, WeTakeEvmctlsPortableSignature) {
  SetProtectedAttributes(file_);
  options_.evm = true;
  ASSERT_TRUE(Evmctl("sign --portable --imasig --smack " + with_key_ + " --hashalgo " + HashName()))
      << Log();
  EXPECT_THAT(CheckPath(file_, key_.Keys(), options_), IsOk());
  const std::optional<Bytes> theirs = Attribute(file_, "user.evm");
  if (IsRsa()) {
    ASSERT_TRUE(SetAttribute(file_, "user.evm", {}));
    ASSERT_THAT(SignFile(file_, key_.Signer(), options_), IsOk());
    EXPECT_EQ(Attribute(file_, "user.evm"), theirs);
  }
}

class FileSignature : public ::testing::Test {
 protected:
  FileSignature() { WriteText(file_, "content"); }

  TempRoot root_;
  const std::string file_ = root_ / "file";
  SigningKey key_{kEc};
  SigningKey other_key_{kEc};
};

// Where the certificate names the key otherwise than by the digest of its bits.
TEST_F(FileSignature, NamesTheKeyAsItsCertificateDoes) {
  SigningKey key(kRsa, "-addext subjectKeyIdentifier=01020304a1b2c3d4");
  ASSERT_THAT(SignFile(file_, key.Signer(), kUser), IsOk());
  const std::optional<Bytes> ours = Attribute(file_, "user.ima");
  EXPECT_EQ(ImaSignature::Parse(*ours)->key_id, 0xa1b2c3d4);
  ASSERT_TRUE(Runs(root_, "evmctl ima_sign --xattr-user --hashalgo sha256 --key " + key.key_file() +
                              " --keyid-from-cert " + key.certificate_file() + " file"));
  EXPECT_EQ(Attribute(file_, "user.ima"), ours);
}

TEST_F(FileSignature, TakesAPublicKeyWithoutCertificate) {
  const auto signer = FileSigner::Create(
      key_.public_key(),
      OneByOne([&](ImaHash hash, ByteView digest) { return key_.Sign(hash, digest); }));
  ASSERT_THAT(signer, IsOk());
  ASSERT_THAT(SignFile(file_, *signer, kUser), IsOk());
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser), IsOk());
  EXPECT_THAT(FileSigner::Create("nothing", nullptr),
              Fails(Code::kInvalidArgument, "IMA_KEY_MALFORMED"));
}

// OpenSSL's program is the judge: evmctl 1.4 makes and checks none.
TEST_F(FileSignature, Format3IsOverWhatKindOfDigestItIs) {
  const Bytes digest(32, 0x5a);
  const auto attributes = key_.Signer().Attributes(
      {{{.type = ImaSignature::Type::kVerity, .version = 3, .bytes = {}}, digest}});
  ASSERT_THAT(attributes, IsOk());
  const Bytes& attribute = attributes->front();
  EXPECT_THAT(Bytes(attribute.begin(), attribute.begin() + 3), ::testing::ElementsAre(6, 3, 4));
  Bytes id = {6, 4};  // struct ima_file_id
  id.insert(id.end(), digest.begin(), digest.end());
  WriteText(root_ / "id", AsText(id));
  WriteText(root_ / "signature", AsText(ByteView(attribute).subspan(9)));
  WriteText(root_ / "public.pem", key_.public_key());
  EXPECT_TRUE(Runs(root_, "openssl dgst -sha256 -verify public.pem -signature signature id"));
}

TEST_F(FileSignature, SaysWhereThereIsNoVerity) {
  const SignatureOptions verity = {.verity = true, .user_attributes = true};
  EXPECT_THAT(SignFile(file_, key_.Signer(), verity),
              Fails(Code::kFailedPrecondition, "VERITY_MISSING"));
  EXPECT_EQ(Attribute(file_, "user.ima"), std::nullopt);
  // Said to be signed so, by somebody else.
  const Bytes digest(32);
  const Bytes attribute =
      key_.Signer()
          .Attributes({{{.type = ImaSignature::Type::kVerity, .version = 3, .bytes = {}}, digest}})
          .value()
          .front();
  ASSERT_TRUE(SetAttribute(file_, "user.ima", attribute));
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser),
              Fails(Code::kFailedPrecondition, "VERITY_MISSING"));
}

TEST_F(FileSignature, AnotherKeyIsToldFromABadSignature) {
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser),
              Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MISSING"));
  ASSERT_THAT(SignFile(file_, other_key_.Signer(), kUser), IsOk());
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser),
              Fails(Code::kPermissionDenied, "IMA_KEY_UNKNOWN"));
  ASSERT_THAT(SignFile(file_, key_.Signer(), kUser), IsOk());
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser), IsOk());
  const Status evm = CheckPath(file_, key_.Keys(), kUserEvm);
  EXPECT_THAT(evm, Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MISSING"));
  EXPECT_THAT(Message(evm), HasSubstr("user.evm"));
}

// IMA's own signature in the place of EVM's is over something else.
TEST_F(FileSignature, OnlyAPortableSignatureIsEvms) {
  ASSERT_THAT(SignFile(file_, key_.Signer(), kUserEvm), IsOk());
  ASSERT_TRUE(SetAttribute(file_, "user.evm", *Attribute(file_, "user.ima")));
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUserEvm),
              Fails(Code::kPermissionDenied, "IMA_SIGNATURE_MISSING"));
}

TEST_F(FileSignature, AKeyThatIsNotTheCertificatesSignsNothing) {
  const auto signer = FileSigner::Create(
      key_.certificate(),
      OneByOne([&](ImaHash hash, ByteView digest) { return other_key_.Sign(hash, digest); }));
  EXPECT_THAT(SignFile(file_, *signer, kUser),
              Fails(Code::kFailedPrecondition, "IMA_KEY_MISMATCH"));
  EXPECT_EQ(Attribute(file_, "user.ima"), std::nullopt);
}

// fs-verity's digests, of which each brings its own hash.
TEST_F(FileSignature, SignaturesOfSeveralHashesGoToTheirOwnDigests) {
  std::vector<FileSigner::Unsigned> wanted;
  for (const ImaHash hash : {ImaHash::kSha512, ImaHash::kSha256, ImaHash::kSha512}) {
    const Bytes digest(hash == ImaHash::kSha512 ? 64 : 32,
                       static_cast<std::uint8_t>(wanted.size()));
    wanted.push_back({{.version = 2, .hash = hash, .bytes = {}}, digest});
  }
  const auto attributes = key_.Signer().Attributes(wanted);
  ASSERT_THAT(attributes, IsOk());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto signature = ImaSignature::Parse(attributes->at(i));
    ASSERT_THAT(signature, IsOk());
    EXPECT_EQ(signature->hash, wanted[i].signature.hash);
    EXPECT_THAT(key_.Keys().Check(*signature, wanted[i].digest), IsOk());
  }
}

TEST_F(FileSignature, SignaturesInAnotherOrderOrNumberAreNotTaken) {
  const std::vector<FileSigner::Unsigned> wanted = {{{.version = 2, .bytes = {}}, Bytes(32, 1)},
                                                    {{.version = 2, .bytes = {}}, Bytes(32, 2)}};
  const auto sign =
      OneByOne([&](ImaHash hash, ByteView digest) { return key_.Sign(hash, digest); });
  using Signatures = std::vector<Bytes>;
  const std::function<void(Signatures&)> kTricks[] = {
      [](Signatures& made) { std::swap(made[0], made[1]); },
      [](Signatures& made) { made.pop_back(); },
      [](Signatures& made) { made.push_back(made[0]); },
      [](Signatures& made) { made.clear(); },
      [](Signatures& made) { made[1].clear(); },
  };
  for (const auto& trick : kTricks) {
    const auto signer =
        FileSigner::Create(key_.certificate(),
                           [&](ImaHash hash, std::span<const Bytes> digests) -> Result<Signatures> {
                             ASSIGN_OR_RETURN(Signatures made, sign(hash, digests));
                             trick(made);
                             return made;
                           });
    EXPECT_THAT(signer->Attributes(wanted), Fails(Code::kFailedPrecondition, "IMA_KEY_MISMATCH"));
  }
}

TEST_F(FileSignature, HostileAttributesAreBadAndReplaced) {
  for (const std::size_t size : {0U, 1U, 8U, 9U, 10U, 64U, 1033U, 1034U, 3000U}) {
    for (const std::uint8_t type : Bytes{0x00, 0x01, 0x03, 0x05, 0x06, 0xff}) {
      Bytes hostile(size, 0xff);
      const std::uint8_t head[] = {type, type == 6 ? std::uint8_t{3} : std::uint8_t{2}, 4};
      std::copy_n(head, std::min(size, sizeof(head)), hostile.begin());
      ASSERT_TRUE(SetAttribute(file_, "user.ima", hostile));
      const Status status = CheckPath(file_, key_.Keys(), kUser);
      EXPECT_THAT(Reason(status),
                  ::testing::AnyOf("IMA_SIGNATURE_MISSING", "IMA_SIGNATURE_MALFORMED"))
          << size << " bytes of type " << int{type};
    }
    ASSERT_THAT(SignFile(file_, key_.Signer(), kUser), IsOk());
    EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser), IsOk());
  }
}

TEST_F(FileSignature, AFileThatChangesIsNotSigned) {
  const auto change_and_sign = [&](const std::function<void()>& change) {
    const auto signer =
        FileSigner::Create(key_.certificate(), OneByOne([&](ImaHash hash, ByteView digest) {
                             change();
                             return key_.Sign(hash, digest);
                           }));
    return SignFile(file_, *signer, kUser);
  };
  EXPECT_THAT(change_and_sign([&] { WriteText(file_, "another content"); }),
              Fails(Code::kAborted, "FILE_CHANGED"));
  EXPECT_THAT(change_and_sign([&] { chmod(file_.c_str(), 0700); }),
              Fails(Code::kAborted, "FILE_CHANGED"));
  EXPECT_EQ(Attribute(file_, "user.ima"), std::nullopt);
  EXPECT_THAT(change_and_sign([] {}), IsOk());
}

TEST_F(FileSignature, AFileWrittenWhileItIsReadIsNeitherSignedNorBad) {
  ASSERT_THAT(SignFile(file_, key_.Signer(), kUser), IsOk());
  const std::optional<Bytes> before = Attribute(file_, "user.ima");
  ASSERT_EQ(truncate(file_.c_str(), 256 << 20), 0);
  std::atomic<bool> stop = false;
  std::atomic<bool> written = false;
  std::jthread writer([&] {
    const UniqueFd fd(open(file_.c_str(), O_WRONLY | O_CLOEXEC));
    while (!stop) written = pwrite(fd.get(), "x", 1, 0) == 1;
  });
  while (!written) std::this_thread::yield();
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUser), Fails(Code::kAborted, "FILE_CHANGED"));
  EXPECT_THAT(SignFile(file_, key_.Signer(), kUser), Fails(Code::kAborted, "FILE_CHANGED"));
  stop = true;
  writer.join();
  EXPECT_EQ(Attribute(file_, "user.ima"), before);
  EXPECT_EQ(key_.signatures(), 1);
}

TEST_F(FileSignature, ReadingHasADeadline) {
  const UniqueFd fd = OpenFile(file_);
  EXPECT_THAT(FileSigning::Read(DeadlineIn(std::chrono::seconds(0)), fd.get(), kUser),
              Fails(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED"));
}

TEST_F(FileSignature, OnlyRegularFiles) {
  EXPECT_THAT(SignFile(root_.path().string(), key_.Signer(), kUser),
              Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(SignFile("/dev/null", key_.Signer(), kUser),
              Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

// A signature by IMA with an older one by EVM, or with none, is what a full disk must not leave.
TEST_F(FileSignature, WhereOneOfTwoHasNoRoomBothStayAsTheyWere) {
  const auto sign = [&](SigningKey& key, int nth) {
    const UniqueFd fd = OpenFile(file_);
    auto file = FileSigning::Read(Soon(), fd.get(), kUserEvm).value();
    EXPECT_THAT(FileSigning::Sign({&file, 1}, key.Signer()), IsOk());
    testing::ArmFault(testing::Fault::kDiskFullOnce, nth);
    return file.Write();
  };
  EXPECT_THAT(sign(key_, 2), Fails(Code::kResourceExhausted, "DISK_FULL"));
  EXPECT_EQ(Attribute(file_, "user.ima"), std::nullopt);
  ASSERT_THAT(SignFile(file_, key_.Signer(), kUserEvm), IsOk());
  EXPECT_THAT(sign(other_key_, 2), Fails(Code::kResourceExhausted, "DISK_FULL"));
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUserEvm), IsOk());
  EXPECT_THAT(sign(other_key_, 1), Fails(Code::kResourceExhausted, "DISK_FULL"));
  EXPECT_THAT(CheckPath(file_, key_.Keys(), kUserEvm), IsOk());
  EXPECT_THAT(SignFile(file_, other_key_.Signer(), kUserEvm), IsOk());
  EXPECT_THAT(CheckPath(file_, other_key_.Keys(), kUserEvm), IsOk());
}

TEST_F(FileSignature, AFileSystemWithoutAttributesIsTold) {
  EXPECT_THAT(SignFile("/proc/self/comm", key_.Signer(), kUser),
              Fails(Code::kFailedPrecondition, "XATTR_UNSUPPORTED"));
}

// Whether security.ima can be written is this machine's affair: ours does it where it can be done,
// and says why where not.
TEST_F(FileSignature, WritesForTheKernelWhereItMay) {
  WriteText(root_ / "probe", "probe");
  const bool may = SetAttribute(root_ / "probe", "security.ima", AsBytes("x"));
  const int error = errno;
  const Status status = SignFile(file_, key_.Signer(), {.evm = false});
  if (may) {
    EXPECT_THAT(status, IsOk());
    EXPECT_THAT(CheckPath(file_, key_.Keys(), {}), IsOk());
    EXPECT_TRUE(Runs(root_, "evmctl ima_verify --key " + key_.certificate_file() + " file"));
  } else {
    EXPECT_EQ(Reason(status), Reason(AttributeError(error, "security.ima")));
    EXPECT_THAT(Message(status), HasSubstr("security.ima"));
  }
  EXPECT_EQ(Attribute(file_, "user.ima"), std::nullopt);
}

TEST(AttributeError, SaysWhatTheCallerCanDo) {
  EXPECT_THAT(AttributeError(ENOTSUP, "security.ima"),
              Fails(Code::kFailedPrecondition, "XATTR_UNSUPPORTED"));
  EXPECT_THAT(AttributeError(EROFS, "security.ima"),
              Fails(Code::kFailedPrecondition, "READ_ONLY_FILE_SYSTEM"));
  for (const int error : {ENOSPC, EDQUOT, E2BIG}) {
    EXPECT_THAT(AttributeError(error, "security.ima"),
                Fails(Code::kResourceExhausted, "DISK_FULL"));
  }
  for (const int error : {EPERM, EACCES}) {
    EXPECT_THAT(AttributeError(error, "security.ima"),
                Fails(Code::kPermissionDenied, "XATTR_DENIED"));
  }
  EXPECT_THAT(Message(AttributeError(EPERM, "security.ima")), HasSubstr("CAP_SYS_ADMIN"));
  EXPECT_THAT(AttributeError(EIO, "security.ima"), Fails(Code::kInternal, "SYSTEM_CALL"));
}

}  // namespace
}  // namespace seaworthy::integrity
