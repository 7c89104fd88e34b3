// Endorsement keys where a TPM's maker leaves them. tpm2-tools and openssl prepare the TPM and say
// which key is the right one.
#include "seaworthy/tpm/endorsement.h"

#include <gmock/gmock.h>

#include "component/tpm/fixture.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::SwTpm;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EndorsementTest : public TpmTest {
 protected:
  using TpmTest::TpmTest;

  Result<Endorsement> Read() {
    return Run([](Context& context) { return ReadEndorsement(context); });
  }
  Bytes File(const std::string& name) {
    const std::string text = FileText(name);
    return {text.begin(), text.end()};
  }
  std::vector<Bytes> Names() {
    const Result<Endorsement> endorsement = Read();
    EXPECT_THAT(endorsement, IsOk());
    std::vector<Bytes> names;
    for (const EndorsementKey& key : endorsement->keys) names.push_back(key.name);
    return names;
  }
  // A file in the NV index, readable by the owner, as the maker's are by anybody.
  bool Define(const std::string& index, const std::string& file) {
    return Shell("tpm2_nvdefine -C o -s $(stat -c %s " + file + ") -a \"ownerwrite|ownerread\" " +
                 index + "; tpm2_nvwrite -C o -i " + file + " " + index);
  }
  // A certificate of a day for the public key in `name`.pub, in `name`.der.
  bool Certify(const std::string& name) {
    return Shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=CA -days 1"
        " -keyout ca.key -out ca.pem; "
        "openssl req -new -key ca.key -subj /CN=ek -out ek.csr; "
        "openssl x509 -req -in ek.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1"
        " -force_pubkey " +
        name + ".pub -outform der -out " + name + ".der");
  }
};

class CertifiedEndorsementTest : public EndorsementTest {
 protected:
  CertifiedEndorsementTest() : EndorsementTest(SwTpm::Maker::kCertifies) {}
};

TEST_F(CertifiedEndorsementTest, ReadsTheKeysWithTheirCertificates) {
  ASSERT_TRUE(
      Shell("tpm2_readpublic -c 0x81010001 -n rsa.name; tpm2_readpublic -c 0x81010016 -n ecc.name; "
            "tpm2_nvread 0x01c00002 -o rsa.der; tpm2_nvread 0x01c00016 -o ecc.der"));
  const Result<Endorsement> endorsement = Read();
  ASSERT_THAT(endorsement, IsOk());
  ASSERT_THAT(endorsement->keys, SizeIs(2));
  EXPECT_EQ(endorsement->keys[0].name, File("ecc.name"));
  EXPECT_EQ(endorsement->keys[0].certificate, File("ecc.der"));
  EXPECT_EQ(endorsement->keys[1].name, File("rsa.name"));
  EXPECT_EQ(endorsement->keys[1].certificate, File("rsa.der"));
  EXPECT_THAT(endorsement->chain, IsEmpty());
}

// Templates L-1 and H-3 are the ones that swtpm_setup made its keys with.
TEST_F(CertifiedEndorsementTest, MakesTheSameKeysWhenNoneIsPersistent) {
  const std::vector<Bytes> before = Names();
  ASSERT_TRUE(Shell("tpm2_evictcontrol -C o -c 0x81010001; tpm2_evictcontrol -C o -c 0x81010016"));
  EXPECT_EQ(Names(), before);
}

TEST_F(CertifiedEndorsementTest, LeavesNothingInTheTpm) {
  const auto count = [&] { return *Run([](Context& context) { return CountHandles(context); }); };
  (void)Names();
  const HandleCounts before = count();
  (void)Names();
  const HandleCounts after = count();
  EXPECT_EQ(after.transient, before.transient);
  EXPECT_EQ(after.sessions, before.sessions);
  EXPECT_EQ(after.persistent, before.persistent);
}

TEST_F(EndorsementTest, WithoutCertificatesTellsTheLowRangeKeys) {
  ASSERT_TRUE(
      Shell("tpm2_createek -c ecc.ctx -G ecc -u ecc.pub; tpm2_readpublic -c ecc.ctx "
            "-n ecc.name; tpm2_flushcontext -t; tpm2_createek -c rsa.ctx -G rsa -u rsa.pub; "
            "tpm2_readpublic -c rsa.ctx -n rsa.name; tpm2_flushcontext -t"));
  EXPECT_THAT(Names(), ElementsAre(File("ecc.name"), File("rsa.name")));
  EXPECT_THAT(Read()->keys[0].certificate, IsEmpty());
}

// A key that no template makes: only its handle leads to it.
TEST_F(EndorsementTest, UsesThePersistentKeyThatTheCertificateIsFor) {
  ASSERT_TRUE(
      Shell(""
            "tpm2_createprimary -C e -G ecc256:aes128cfb -c other.ctx "
            "-a \"fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt|noda\"; "
            "tpm2_evictcontrol -C o -c other.ctx 0x81010055; tpm2_flushcontext -t; "
            "tpm2_readpublic -c 0x81010055 -f pem -o other.pub -n other.name"));
  ASSERT_TRUE(Certify("other"));
  ASSERT_TRUE(Define("0x01c0000a", "other.der"));
  const Result<Endorsement> endorsement = Read();
  ASSERT_THAT(endorsement, IsOk());
  ASSERT_THAT(endorsement->keys, SizeIs(1));
  EXPECT_EQ(endorsement->keys[0].name, File("other.name"));
  EXPECT_EQ(endorsement->keys[0].certificate, File("other.der"));
}

TEST_F(EndorsementTest, HonoursTheTemplateAndTheNonceInNv) {
  // The area up to its unique field, then X and Y: zeros, or the nonce and zeros.
  ASSERT_TRUE(
      Shell("tpm2_createek -c ek.ctx -G ecc -u ek.pub -f tss; tpm2_flushcontext -t; "
            "tail -c +3 ek.pub | head -c 54 >area; printf \"\\000\\040\" >size; "
            "head -c 32 /dev/zero >zeros; printf 0123456789abcdef0123456789abcdef >nonce; "
            "cat area size zeros size zeros >template; cat area size nonce size zeros >whole"));
  ASSERT_EQ(File("template").size(), 122U);
  const Bytes plain = Names().front();
  // The TPM gets this one as it is: what comes out is the key with that nonce.
  ASSERT_TRUE(Define("0x01c0000c", "whole"));
  const Bytes own = Names().front();
  EXPECT_NE(own, plain);
  ASSERT_TRUE(Shell("tpm2_nvundefine -C o 0x01c0000c"));
  EXPECT_EQ(Names().front(), plain);
  ASSERT_TRUE(Define("0x01c0000b", "nonce"));
  EXPECT_EQ(Names().front(), own);  // into the profile's template
  ASSERT_TRUE(Define("0x01c0000c", "template"));
  EXPECT_EQ(Names().front(), own);
}

TEST_F(EndorsementTest, RefusesATemplateThatIsNone) {
  ASSERT_TRUE(Shell("printf 0123456789 >garbage"));
  ASSERT_TRUE(Define("0x01c0000c", "garbage"));
  EXPECT_THAT(Read()->keys, SizeIs(1));  // the RSA key is not affected
  ASSERT_TRUE(Define("0x01c00004", "garbage"));
  EXPECT_THAT(Read(), Fails(Code::kFailedPrecondition, "EK_TEMPLATE_UNSUITABLE"));
}

TEST_F(EndorsementTest, ReadsTheChainAcrossIndicesAndLeavesPaddingOut) {
  ASSERT_TRUE(
      Shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k; "
            "openssl pkey -in k -pubout -out a.pub"));
  ASSERT_TRUE(Certify("a"));
  ASSERT_TRUE(
      Shell("cp a.der b.der; head -c 700 /dev/zero | tr \"\\000\" \"\\377\" >padding; "
            "cat a.der b.der padding >all; head -c 300 all >1; tail -c +301 all >2"));
  ASSERT_TRUE(Define("0x01c00100", "1"));
  ASSERT_TRUE(Define("0x01c00101", "2"));
  EXPECT_THAT(Read()->chain, ElementsAre(File("a.der"), File("b.der")));
}

TEST_F(EndorsementTest, SaysWhichIndexCannotBeRead) {
  ASSERT_TRUE(Shell("tpm2_nvdefine -C o -s 100 -a \"ownerwrite|authread\" 0x01c0000a"));
  EXPECT_THAT(Read(), Fails(Code::kFailedPrecondition, "EK_NV_UNREADABLE"));
  ASSERT_TRUE(
      Shell("tpm2_nvundefine -C o 0x01c0000a; head -c 100 /dev/zero >zeros; "
            "tpm2_nvdefine -C o -s 100 -a \"ownerwrite|authread|no_da\" -p secret 0x01c0000a; "
            "tpm2_nvwrite -C o -i zeros 0x01c0000a"));
  const Result<Endorsement> locked = Read();
  EXPECT_THAT(locked, Fails(Code::kFailedPrecondition, "EK_NV_UNREADABLE"));
  EXPECT_THAT(Message(locked.status()), ::testing::HasSubstr("0x01c0000a wants an authorization"));
}

// Whoever asks again and again must not lock the TPM.
TEST_F(EndorsementTest, TriesNothingThatCountsAsAnAttack) {
  ASSERT_TRUE(
      Shell("head -c 100 /dev/zero >zeros; "
            "tpm2_nvdefine -C o -s 100 -a \"ownerwrite|authread\" -p secret 0x01c0000a; "
            "tpm2_nvwrite -C o -i zeros 0x01c0000a"));
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Read(), Fails(Code::kFailedPrecondition, "EK_NV_UNREADABLE"));
  }
  const Result<Properties> properties =
      Run([](Context& context) { return ReadProperties(context); });
  ASSERT_THAT(properties, IsOk());
  EXPECT_EQ(properties->lockout_failures, 0U);
}

TEST_F(EndorsementTest, SaysThatTheHierarchyHasAnAuthorization) {
  ASSERT_TRUE(Shell("tpm2_changeauth -c e secret"));
  EXPECT_THAT(Read(), Fails(Code::kPermissionDenied, "ENDORSEMENT_AUTH_SET"));
}

}  // namespace
}  // namespace seaworthy::tpm
