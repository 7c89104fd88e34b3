"""A backend enrols a node and judges what the kernel has measured, round after round."""

from rig.backend import Backend
from rig.node import Boot

# Programs as they are started; by a policy that lies there before systemd is.
BOOT = Boot(early=(("/etc/ima/ima-policy", "measure func=BPRM_CHECK mask=MAY_EXEC\n"),))
ALONE = True
RUNC = "/usr/sbin/runc"
# Run once before the policy is learned, so that only what a case is about is new afterwards.
USUAL = f"cp {RUNC} /root/runc; cp /root/runc {RUNC}; {RUNC} --version; rm -f /root/none; ls /root"

backend = None


def case_trusted(node):
    """enrolled by its endorsement key and judged by a policy learned from it: trusted"""
    global backend
    backend = Backend(node)
    backend.enrol()
    node.sh(USUAL)
    backend.learn("0-7")
    told = {finding["code"] for finding in backend.trusts()}
    assert {"IMA_LIST_MATCHES", "PCR_AS_EXPECTED"} <= told, told
    whole = backend.evidence.stat().st_size
    # The second round is of what is new.
    backend.trusts()
    assert backend.evidence.stat().st_size < whole / 2, (backend.evidence.stat().st_size, whole)


def case_state(node):
    """the state of the kernel's IMA tells the policy that systemd loaded, and sees the keyrings"""
    state = backend.outside.ask(*backend.remote, "integrity", "state")
    assert state["ima"]["custom_policy"] == "IMA_POLICY_LOADED", state
    assert state["ima"]["template_name"] == "ima-sig" and state["ima"]["hash"] == "sha256", state
    assert int(state["ima"]["entries"]) > 1, state
    assert ".platform" in {keyring["name"] for keyring in state["keyrings"]}, state
    features = {feature["name"]: feature["available"] for feature in state["features"]}
    assert features["measure"] and not features["load-policy"], features


def case_tools_agree(node):
    """tpm2_checkquote and tpm2_eventlog take the exported evidence, whose logs are the kernel's own"""
    nonce = "44" * 32
    node.sh(f"seaworthyctl attest --nonce {nonce} --export-dir /root/evidence\ncd /root/evidence\n"
            f"tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -f quote.pcrs -g sha256 -q {nonce}\n"
            "tpm2_eventlog binary_bios_measurements | grep -q EV_SEPARATOR\n"
            "cmp binary_bios_measurements /sys/kernel/security/tpm0/binary_bios_measurements\n"
            "size=$(stat -c %s binary_runtime_measurements)\n"
            "cmp -n $size binary_runtime_measurements "
            "/sys/kernel/security/ima/binary_runtime_measurements")
    # New programs were run for it, which the policy does not know; that is the next case's matter.
    backend.learn("0-7")
    backend.state.unlink()
    backend.trusts()


def case_unlisted_program(node):
    """a program that the policy does not know is named"""
    node.sh("cp /bin/true /root/stranger; /root/stranger")
    failed = backend.distrusts(("IMA_FILE_UNLISTED", "/root/stranger"))
    assert len(failed) == 1, failed
    # What was wrong stays wrong.
    backend.distrusts(("IMA_FILE_UNLISTED", "/root/stranger"))


def case_changed_docker(node):
    """a changed binary of Docker's is an event on the node and named, beside what was wrong before"""
    node.write("/etc/seaworthy/allowed.json", backend.policy.read_text())
    node.sh("printf '\\n[integrity]\\nallowed_files = \"/etc/seaworthy/allowed.json\"\\n' "
            ">>/etc/seaworthy/seaworthyd.toml; systemctl reload seaworthyd")
    node.until("seaworthyctl integrity watch --recent --count 1 | grep /root/stranger")
    said = node.sh("seaworthyctl --timeout 6 integrity watch >/root/watched & sleep 2\n"
                   f"echo >>{RUNC}; {RUNC} --version >/dev/null; wait; cat /root/watched")
    assert f"integrity.unexpected_file  {RUNC}  " in said and "IMA_FILE_CHANGED" in said, said
    state = backend.outside.ask(*backend.remote, "integrity", "state")
    assert state["list"]["entries"] == state["list"]["confirmed"], state
    assert state["policy_file"]["active_sha256"] == state["policy_file"]["installed_sha256"] != "", state
    backend.distrusts(("IMA_FILE_UNLISTED", "/root/stranger"), ("IMA_FILE_CHANGED", RUNC))
    node.sh(f"cp /root/runc {RUNC}")


def case_reboot(node):
    """after a boot the list begins anew by itself, and the node is trusted again"""
    node.reboot()
    node.until("seaworthyctl health")
    told = {finding["code"] for finding in backend.trusts()}
    assert "REBOOTED" in told, told
    node.until("seaworthyctl integrity watch --recent --count 1 | grep integrity.boot")
    backend.trusts()
