#!/usr/bin/python3
"""Runs the scenarios: what they prove is proved on a real kernel with a TPM of its own.

NAME picks scenarios by a part of their name; --minutes N begins none after so long, and says which
were left out. Prints a line a case; exits with 1 when one failed. Logs of a failed one are kept in the cache folder, under logs/."""

import argparse
import importlib.util
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from rig.kit import kit, run  # noqa: E402
from rig.node import Boot, Node  # noqa: E402
from rig.outside import Outside  # noqa: E402

PACKAGES = ("seaworthyd", "seaworthyctl")


class Scenario:
    """A file of scenarios/: BOOT, whether it wants a machine of its own (ALONE), and its cases,
    the functions case_* in the order of the file; a case's docstring is what is printed."""

    def __init__(self, path):
        self.name = path.stem
        spec = importlib.util.spec_from_file_location(f"scenario_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.title = module.__doc__.strip().splitlines()[0]
        self.boot = getattr(module, "BOOT", Boot())
        self.alone = getattr(module, "ALONE", False)
        self.installed = getattr(module, "INSTALLED", True)
        self.cases = [value for name, value in vars(module).items() if name.startswith("case_")]


def find(folder, wanted):
    scenarios = [Scenario(path) for path in sorted(folder.glob("[0-9]*.py"))]
    chosen = [s for s in scenarios if not wanted or any(name in s.name for name in wanted)]
    if not chosen:
        raise SystemExit(f"run.py: no scenario is called so; there are "
                         f"{', '.join(s.name for s in scenarios)}")
    return chosen


def machines(scenarios):
    """Lists of scenarios that share a machine: those with the same Boot, unless one is ALONE."""
    shared = {}
    groups = []
    for scenario in scenarios:
        if scenario.alone or scenario.boot not in shared:
            groups.append([])
            if not scenario.alone:
                shared[scenario.boot] = groups[-1]
        (groups[-1] if scenario.alone else shared[scenario.boot]).append(scenario)
    return groups


class Runner:
    def __init__(self, guest, packages, cache, end):
        self.guest = guest
        self.end = end
        self.left_out = []
        self.logs = cache / "logs"
        shutil.rmtree(self.logs, ignore_errors=True)
        # Short, for the sockets in it: their paths may have 107 characters.
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="seaworthy-vm-"))
        self.outside = Outside(self.work / "outside", packages.values())
        self.payload = packages | earlier(packages, self.work)
        self.passed = 0
        self.failed = []

    def group(self, scenarios):
        node = None
        try:
            for scenario in scenarios:
                if time.monotonic() > self.end:
                    self.left_out.append(scenario.name)
                    continue
                if node is None or node.boot != scenario.boot or node.qemu is None:
                    node = self.fresh(node, scenario)
                if node and not self.scenario(node, scenario):
                    node.close()
                    node = None
        finally:
            if node is not None:
                node.close()

    def fresh(self, old, scenario):
        """A machine that boots as the scenario wants it."""
        if old is not None:
            old.close()
        folder = self.work / scenario.name
        shutil.rmtree(folder, ignore_errors=True)
        node = Node(self.guest, folder, self.payload, self.outside)
        begun = time.monotonic()
        try:
            node.start(scenario.boot)
        except Exception as error:
            self.report(node, scenario, "the node comes up", begun, error)
            node.close()
            return None
        return node

    def packages(self, node, wanted):
        """Has the packages under test on the node, or not, as is wanted."""
        there = node.run("dpkg-query -W seaworthyd")[0] == 0
        if wanted and not there:
            node.sh("dpkg -i " + " ".join(f"/job/{name}.deb" for name in PACKAGES), timeout=400)
            node.until("systemctl is-active seaworthyd")
        if there and not wanted:
            node.sh("dpkg -P " + " ".join(reversed(PACKAGES)), timeout=180)

    def scenario(self, node, scenario):
        begun = time.monotonic()
        try:
            self.packages(node, scenario.installed)
        except Exception as error:
            self.report(node, scenario, "the packages install", begun, error)
            return False
        for case in scenario.cases:
            begun = time.monotonic()
            error = None
            try:
                case(node)
            except Exception as caught:
                error = caught
            self.report(node, scenario, case.__doc__.strip().splitlines()[0], begun, error)
            if error is not None:
                return False  # what follows stands on it
        return True

    def report(self, node, scenario, what, begun, error):
        took = time.monotonic() - begun
        print(f"{'FAIL' if error else 'ok  '} {took:5.1f} s  {scenario.name}: {what}", flush=True)
        if error is None:
            self.passed += 1
            return
        self.failed.append(f"{scenario.name}: {what}")
        print("".join(traceback.format_exception(error)), flush=True)
        self.keep_logs(node, scenario)

    def keep_logs(self, node, scenario):
        folder = self.logs / scenario.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            (folder / "journal").write_text(node.run("journalctl --no-pager -b")[1])
        except Exception as error:
            (folder / "journal").write_text(f"not to be had: {error}\n")
        for name in ("console.log", "qemu.log"):
            if (node.folder / name).exists():
                shutil.copy(node.folder / name, folder / name)
        print(f"     logs: {folder}", flush=True)


def earlier(packages, work):
    """The same packages with a version before theirs, as an earlier build has it."""
    built = {}
    for name, deb in packages.items():
        tree = work / "tree"
        run("dpkg-deb", "-R", deb, tree)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 0~", 1))
        built[f"earlier-{name}"] = work / f"earlier-{name}"
        run("dpkg-deb", "--root-owner-group", "-b", tree, built[f"earlier-{name}"])
        shutil.rmtree(tree)
    return built


def payload(folder):
    """The packages under test, by the names they have on the node."""
    found = {}
    for name in PACKAGES:
        debs = sorted(folder.glob(f"{name}_*.deb"))
        if len(debs) != 1:
            raise SystemExit(f"run.py: {folder} has {len(debs)} packages {name}; ./dev package")
        found[f"{name}.deb"] = debs[0]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("build/vm"))
    parser.add_argument("--packages", type=pathlib.Path, default=pathlib.Path("build/package"))
    parser.add_argument("--list", action="store_true", help="name the scenarios and their cases")
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="N",
                        help="begin no scenario after so many")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    scenarios = find(HERE / "scenarios", arguments.names)
    if arguments.list:
        for scenario in scenarios:
            print(f"{scenario.name}: {scenario.title}")
            for case in scenario.cases:
                print(f"    {case.__doc__.strip().splitlines()[0]}")
        return 0
    # So that the end of this process, by whatever signal, still takes the machines down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    packages = payload(arguments.packages)
    guest = kit(arguments.cache.resolve(), list(packages.values()))
    runner = Runner(guest, packages, arguments.cache.resolve(),
                    time.monotonic() + arguments.minutes * 60)
    try:
        for group in machines(scenarios):
            runner.group(group)
    finally:
        shutil.rmtree(runner.work, ignore_errors=True)
    print(f"{runner.passed} cases as they should be, {len(runner.failed)} not, "
          f"in {time.monotonic() - begun:.0f} s")
    if runner.left_out:
        print(f"left out for want of time: {', '.join(runner.left_out)}")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())
