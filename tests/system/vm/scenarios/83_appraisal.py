"""The kernel appraises files by keys that load-keys gives it."""

from rig.node import Boot
from rig.outside import Ca

BOOT = Boot(disks=(64,))
ALONE = True
UUID = "11111111-2222-3333-4444-555555555555"
DISK = "/dev/disk/by-id/virtio-disk0"
# On a file system of its own, so that the rig's own programs are not refused.
VERITY_OWNER = 1002
POLICY = (f"appraise func=BPRM_CHECK fsuuid={UUID} fowner={VERITY_OWNER} digest_type=verity "
          "appraise_type=sigv3\n"
          f"appraise func=BPRM_CHECK fsuuid={UUID} appraise_type=imasig\n")
# FS_IOC_ENABLE_VERITY with SHA-256 over blocks of 4096 bytes.
ENABLE_VERITY = """perl -e 'open(F, "<", $ARGV[0]) or die; ioctl(F, 0x40806685, """ \
                """pack("L4QL2QQ11", 1, 1, 4096, 0, 0, 0, 0, 0, (0) x 11)) or die $!' """
DENIED = 126  # what a shell makes of EACCES


def sign(node, *files, key="ima", evm=False):
    node.sh(f"seaworthyctl integrity sign --key {key} {'--evm' if evm else ''} "
            f"--other-file-systems {' '.join(files)}")


def case_keys_are_loaded_before_the_policy(node):
    """keys are loaded, then the policy, and the keyring is closed; no user's comes before it"""
    node.sh(f"mkfs.ext4 -q -b 4096 -O verity -U {UUID} {DISK}; mkdir /mnt/a; mount {DISK} /mnt/a; "
            "cd /mnt/a; for file in signed tampered unsigned other; do cp /bin/true $file; done")
    authority = Ca()
    for key, algorithm in (("ima", "rsa-2048"), ("other", "rsa-2048"), ("ec", "ec-p256")):
        csr = node.sh(f"seaworthyctl key create {key} --algorithm {algorithm}; "
                      f"seaworthyctl key csr {key} --subject CN={key}")
        node.write(f"/root/{key}.pem", authority.sign(csr))
        node.sh(f"seaworthyctl key install {key} --chain /root/{key}.pem")
    sign(node, "/mnt/a/signed", "/mnt/a/tampered")
    sign(node, "/mnt/a/other", key="other")
    node.sh("echo >>/mnt/a/tampered")
    node.write("/etc/seaworthy/ima-policy", POLICY)
    node.sh("install -D /root/ima.pem /etc/keys/ima/node.pem")
    node.fails("seaworthyctl integrity load-keys --certificate /root/ec.pem",
               "IMA_CERTIFICATE_REFUSED", code=4)
    node.fails("seaworthyctl integrity load-keys", "does not use these keys yet", code=1)
    node.sh("seaworthyctl integrity load-keys --policy /etc/seaworthy/ima-policy")
    # M-68: the first one to touch an appraised file is a user with another keyring in the session.
    node.sh("openssl x509 -in /root/other.pem -outform der -out /tmp/other.der; "
            "chmod 755 /mnt/a; chmod 644 /tmp/other.der")
    node.fails("keyctl session - bash -ec 'ring=$(keyctl newring _ima @s); "
               "keyctl padd asymmetric other $ring </tmp/other.der; /mnt/a/other'",
               "Permission denied", code=DENIED, user="stranger")
    # M-69
    node.fails("openssl x509 -in /root/other.pem -outform der | "
               "keyctl padd asymmetric other %keyring:_ima", "Permission denied")
    node.fails("seaworthyctl integrity load-keys --certificate /root/other.pem", "KEYRING_CLOSED",
               code=4)
    node.sh("seaworthyctl integrity load-keys --policy /etc/seaworthy/ima-policy")


def case_appraisal(node):
    """a signed file runs, for everybody; a tampered, an unsigned, and another key's are denied"""
    node.sh("/mnt/a/signed; systemd-run -q --wait /mnt/a/signed")
    node.sh("/mnt/a/signed", user="stranger")
    for file in ("tampered", "unsigned", "other"):
        node.fails(f"/mnt/a/{file}", "Permission denied", code=DENIED)
    said = node.sh("journalctl -b --no-pager _AUDIT_TYPE_NAME=INTEGRITY_DATA")
    assert "IMA-signature-required" in said and '/mnt/a/tampered' in said, said



def case_verity(node):
    """a file that is signed over its fs-verity digest runs; content's signature is no such one"""
    node.sh("cd /mnt/a; for file in verity content stranger; do cp /bin/true $file; "
            f"{ENABLE_VERITY} $file; chown {VERITY_OWNER} $file; done")
    for file, key, option in (("verity", "ima", "--verity"), ("content", "ima", ""),
                              ("stranger", "other", "--verity")):
        node.sh(f"seaworthyctl integrity sign --key {key} {option} --other-file-systems /mnt/a/{file}")
    node.sh("seaworthyctl integrity check --certificate /root/ima.pem --other-file-systems "
            "/mnt/a/verity; /mnt/a/verity")
    for file in ("content", "stranger"):
        node.fails(f"/mnt/a/{file}", "Permission denied", code=DENIED)


def update(node, version):
    """apt installs this version of a package whose program is run when it is configured."""
    folder = f"/root/tool-{version}"
    node.write(f"{folder}/DEBIAN/control", f"Package: tool\nVersion: {version}\n"
               "Architecture: all\nMaintainer: rig <rig@localhost>\nDescription: a tool\n")
    node.write(f"{folder}/DEBIAN/postinst", "#!/bin/sh\nexec /mnt/a/tool\n", mode="755")
    node.sh(f"mkdir -p {folder}/mnt/a; cp /bin/true {folder}/mnt/a/tool; "
            f"echo {version} >>{folder}/mnt/a/tool; dpkg-deb -b {folder} /root/tool-{version}.deb")
    return node.run(f"apt-get -q -y install /root/tool-{version}.deb", timeout=120)


def case_update(node):
    """dpkg's hook signs what an update brings, before it is run; a failure is told, and mended"""
    code, said = update(node, 1)
    assert code != 0 and "Permission denied" in said, said
    node.write("/etc/seaworthy/sign-packages",
               "# options of integrity sign\n--key ima\n--other-file-systems\n--package tool\n")
    code, said = update(node, 2)
    assert code == 0, said
    assert node.sh("tail -c2 /mnt/a/tool; /mnt/a/tool") == "2"
    node.sh("seaworthyctl integrity check --certificate /root/ima.pem --other-file-systems "
            "--package tool")
    node.sh("systemctl stop seaworthyd")
    code, said = update(node, 3)
    assert code != 0 and "files of packages are not signed" in said, said
    node.until("journalctl -b --no-pager -t seaworthy-sign-packages | grep 'not signed'")
    node.sh("systemctl start seaworthyd; /usr/libexec/seaworthy/sign-packages; "
            "dpkg --configure -a; /mnt/a/tool")
    node.sh("rm /etc/seaworthy/sign-packages")


def case_evm(node):
    """EVM: a mode that was changed on the unmounted disk is refused; nobody turns on its HMACs"""
    node.sh("cp /bin/true /mnt/a/both; cp /bin/true /mnt/a/changed")
    sign(node, "/mnt/a/both", "/mnt/a/changed", "/mnt/a/signed", evm=True)
    sign(node, "/mnt/a/unsigned")  # by IMA's signature alone
    node.sh("seaworthyctl integrity load-keys --evm --policy /etc/seaworthy/ima-policy")
    node.sh("/mnt/a/both; /mnt/a/changed")
    node.fails("/mnt/a/unsigned", "Permission denied", code=DENIED)
    node.fails("chmod 4755 /mnt/a/changed", "Operation not permitted")
    node.sh(f"umount /mnt/a; debugfs -w -R 'sif changed mode 0104755' {DISK} 2>&1; "
            f"mount {DISK} /mnt/a; [ -u /mnt/a/changed ]")
    node.fails("/mnt/a/changed", "Permission denied", code=DENIED)
    node.sh("/mnt/a/both")
    for bits in (1, 4):  # HMACs, which crash this kernel; writes without EVM
        node.fails(f"echo {bits} >/sys/kernel/security/evm", "Operation not permitted")
    # What comes later can be signed, and what is signed be signed anew.
    node.sh("cp /bin/true /mnt/a/late; chmod 755 /mnt/a/late")
    sign(node, "/mnt/a/late", "/mnt/a/changed", evm=True)
    node.sh("/mnt/a/late; /mnt/a/changed; touch /root/file /mnt/a/file")


def case_keyring_gone(node):
    """U-24: root can take the keyring away, and the kernel then takes no other"""
    node.sh("keyctl invalidate $(keyctl search @u keyring _ima)")
    node.fails("seaworthyctl integrity load-keys --certificate /root/other.pem "
               "--policy /etc/seaworthy/ima-policy", "KEYRING_NOT_IN_USE", code=4)
    node.sh("cp /bin/true /mnt/a/others")
    sign(node, "/mnt/a/others", key="other", evm=True)
    node.fails("/mnt/a/others", "Permission denied", code=DENIED)
