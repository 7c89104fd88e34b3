"""Docker under SELinux: containers that are kept apart from the node and from each other."""

import json
import re

from rig.node import Boot

BOOT = Boot(selinux=True)
ALONE = True
MODULE = "/usr/share/selinux/packages/seaworthy_docker.pp"
# Seconds for what starts a container: a second or two on a node, up to a minute when emulated beside compilers.
LONG = 300
IMPORT = ("mkdir -p /root/layer/bin; cp /bin/busybox /root/layer/bin; for name in sh cat ls sleep touch ping; do "
          "ln -sf busybox /root/layer/bin/$name; done; tar -C /root/layer -c . | docker import - kept")
STOP = "systemctl stop docker.socket docker.service containerd.service"
LABEL = re.compile(r"system_u:system_r:container_t:s0:c(\d+),c(\d+)")
OWN_LABEL = "cat /proc/self/attr/current"


def look(node):
    """What seaworthyctl says, and that its exit code says the same."""
    code, said = node.run("seaworthyctl docker selinux --output json", LONG)
    state = json.loads(said)
    assert code == (0 if state["works"] else 1), said
    assert state["works"] == (not state["missing"]), said
    return state


def docker(node, arguments):
    return node.sh(f"docker {arguments}", timeout=LONG)


def start(node):
    node.sh("systemctl start docker.service", timeout=LONG)
    node.until("docker version", timeout=LONG)


def denials(node):
    _, journal = node.run("journalctl -b --no-pager -o cat | grep -E 'avc: +denied' | "
                          "grep -E '(dockerd|container|spc)_t'")
    return journal


def case_without_types(node):
    """Debian's policy has no type for containers: selinux-enabled starts none, and the command knows"""
    state = look(node)
    assert "has no container_t" in " ".join(state["missing"]), state
    assert (state["mode"], state["policy"]) == ("enforcing", "default"), state
    assert state["container_process"] == "system_u:system_r:container_t:s0", state
    node.write("/etc/docker/daemon.json", '{"selinux-enabled": true}\n')
    start(node)
    node.sh(IMPORT, timeout=LONG)
    node.fails("docker run --rm --network none kept cat /proc/self/status", timeout=LONG)
    assert "initrc_t" in node.sh("ps -C dockerd,containerd -o label="), state
    node.sh(STOP, timeout=LONG)


def case_switched_on(node):
    """with the module, relabelled as the command says, engine and files have labels of their own"""
    node.sh(f"semodule -X 200 -i {MODULE}", timeout=2 * LONG)
    state = look(node)
    assert "/usr/sbin/dockerd" in state["relabel"] and "/etc/docker" in state["relabel"], state
    assert "to be relabelled before" in " ".join(state["missing"]), state
    node.sh("restorecon -R /var/lib/containerd /run/containerd " + " ".join(state["relabel"]), timeout=LONG)
    state = look(node)
    assert state["works"] and not state["dockerd"]["running"], state
    start(node)
    state = look(node)
    assert state["works"] and state["relabel"] == [] and state["engine_labels"], state
    for name in ("dockerd", "containerd"):
        label = node.sh(f"ps -C {name} -o label=")
        assert label == "system_u:system_r:dockerd_t:s0" == state[name]["label"], (label, state)
    for path, label in (("/etc/docker/daemon.json", "container_config_t"),
                        ("/run/docker.sock", "container_runtime_t"),
                        ("/var/lib/docker", "container_var_lib_t")):
        assert f":{label}:" in node.sh(f"stat -c %C {path}"), path


def case_kept_apart(node):
    """containers have container_t and different categories, and work: files, network, exec"""
    categories = set()
    for name in ("one", "two"):
        docker(node, f"run -d --name {name} kept sleep 100000")
        label = docker(node, f"exec {name} {OWN_LABEL}").strip("\0")
        found = LABEL.fullmatch(label)
        assert found and found[1] != found[2], label
        pid = docker(node, f"inspect -f '{{{{.State.Pid}}}}' {name}")
        assert node.sh(f"tr -d '\\0' </proc/{pid}/attr/current") == label
        categories.add(label)
    assert len(categories) == 2, categories
    docker(node, "exec one touch /here /dev/shm/here")
    address = docker(node, "inspect -f '{{.NetworkSettings.IPAddress}}' two")
    docker(node, f"exec one ping -c 1 -w 20 {address}")
    assert not denials(node), denials(node)


def case_mounts(node):
    """a folder of the node is denied, is its container's alone with :Z, and volumes work"""
    node.sh("mkdir -p /srv/folder; echo word >/srv/folder/file")
    read = "run --rm --network none -v /srv/folder:/folder{} kept cat /folder/file"
    node.fails("docker " + read.format(""), "Permission denied", timeout=LONG)
    assert docker(node, read.format(":Z")) == "word"
    found = node.sh("stat -c %C /srv/folder/file")
    assert re.search(r":container_file_t:s0:c\d+,c\d+$", found), found
    # It has the categories of a container that is gone.
    node.fails("docker " + read.format(""), "Permission denied", timeout=LONG)
    assert docker(node, read.format(":z")) == "word"
    for _ in range(2):
        docker(node, "run --rm --network none -v data:/data kept touch /data/file")
    # The engine's socket says who may ask it, whoever has it mounted.
    node.fails("docker run --rm --network none -v /run/docker.sock:/socket kept ls -l /socket",
               "Permission denied", timeout=LONG)


def case_others(node):
    """--privileged is spc_t and no container_t; --init and no-new-privileges are container_t"""
    assert ":spc_t:" in docker(node, f"run --rm --network none --privileged kept {OWN_LABEL}")
    for option in ("--init", "--security-opt no-new-privileges", "--read-only", "--tty"):
        label = docker(node, f"run --rm --network none {option} kept {OWN_LABEL}")
        assert LABEL.search(label), (option, label)


def case_relabelled(node):
    """relabelling Docker's folder leaves running containers their files, and containers start after"""
    node.sh("restorecon -R /var/lib/docker /run/docker", timeout=LONG)
    docker(node, "exec one cat /here /etc/hosts")
    docker(node, "restart -t 1 one")
    docker(node, "exec one cat /here /etc/hosts")
    docker(node, "rm -f one two")
    node.sh(STOP, timeout=LONG)
