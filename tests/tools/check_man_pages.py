"""Checks that the manual pages say what the programs and the shipped configuration say.

    check_man_pages.py ROOT BIN

BIN holds the programs. Commands and options of `--help` and keys of policies/seaworthyd.toml,
with their defaults, must be in ROOT/docs/man, and nothing else there. One line for each
difference; exits with 1 when there is any.
"""

import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])-(?:-[a-z][a-z-]*|[a-z]\b)")


def plain(line):
    """A line of man source as it is read, roughly: no macro, no fonts, no quotes."""
    line = re.sub(r"^\.(TH|SH|SS|[BI]R?|RB|BI)\s+", "", line)
    line = line.replace('"', "").replace(r"\(dq", '"')
    return re.sub(r"\\f[A-Z]", "", line).replace(r"\-", "-").strip()


def sections(page):
    """[(heading, tags)] of the .SH and .SS of a page; a tag is the line after .TP or .TQ."""
    found = []
    lines = page.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\.S[HS] ", line):
            found.append((plain(line), []))
        elif line in (".TP", ".TQ") and found:
            found[-1][1].append(plain(lines[number + 1]))
    return found


def options_in(tags):
    return {option for tag in tags for option in OPTION.findall(tag)}


def described(page):
    """{command: options} by the page; the program itself is "". Arguments are part of the name."""
    commands, inside = {}, False
    for heading, tags in sections(page):
        if heading == "OPTIONS":
            commands[""] = options_in(tags)
        elif heading.isupper():
            inside = heading == "COMMANDS"
        elif inside:
            commands[heading] = options_in(tags)
    return commands


def helped(ask, path=()):
    """The same by --help: ask(path) is its text."""
    text = ask(path).split("\nExamples:\n")[0]
    head = r"^ {1,6}(?=-)((?:-\w)?,? ?(?:--[a-z-]+)?)"
    options = {option for found in re.findall(head, text, re.MULTILINE)
               for option in OPTION.findall(found.replace(",", " "))}
    commands = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    if commands:
        result = {} if path else {"": options}
        for name in re.findall(r"^  ([a-z][a-z-]*)", commands.group(1), re.MULTILINE):
            result.update(helped(ask, path + (name,)))
        return result
    if path:
        options -= {"-h", "--help"}  # said once, of the program
    usage = re.search(r"^Usage: .*$", text, re.MULTILINE).group()
    arguments = re.findall(r" ([A-Z]+)\b", usage)
    return {" ".join((*path, *arguments) if path else ()): options}


def keys(config):
    """{"table: key = default"} with " [reload]" where the comment before says it. A table in a
    comment is an example, and so are its keys."""
    found, table, comment = set(), "", ""
    for line in config.splitlines():
        if heading := re.fullmatch(r"(?:# )?(\[+[\w.]+\]+)", line):
            table = heading.group(1) + (" [reload]" if "[reload]" in comment else "")
            comment = ""
        elif key := re.fullmatch(r"(?:# )?(\w+ = .*)", line):
            found.add(f"{table}: {key.group(1)}" + (" [reload]" if "[reload]" in comment else ""))
            comment = ""
        elif line.startswith("#"):
            comment += line
        else:
            comment = ""
    return found


def described_keys(page):
    return {f"{heading}: {tag}" for heading, tags in sections(page) if heading.startswith("[")
            for tag in tags}


def differences(name, program, page):
    """Lines on what one of the two has and the other not."""
    for missing in sorted(program - page):
        yield f"{name} does not say: {missing}"
    for stale in sorted(page - program):
        yield f"{name} says what is not: {stale}"


def flat(commands):
    """Commands and their options as one set of lines."""
    return {command for command in commands if command} | {
        f"{command} {option}".strip() for command, options in commands.items()
        for option in options}


def check(root, programs):
    man = pathlib.Path(root) / "docs/man"

    def asker(program):
        return lambda path: subprocess.run([f"{programs}/{program}", *path, "--help"], check=True,
                                           capture_output=True, text=True).stdout
    for program, name in (("seaworthyctl", "seaworthyctl.1"), ("seaworthyd", "seaworthyd.8")):
        page = (man / name).read_text(encoding="utf-8")
        yield from differences(name, flat(helped(asker(program))), flat(described(page)))
    config = (pathlib.Path(root) / "policies/seaworthyd.toml").read_text(encoding="utf-8")
    page = (man / "seaworthyd.toml.5").read_text(encoding="utf-8")
    yield from differences("seaworthyd.toml.5", keys(config), described_keys(page))


def main():
    lines = list(check(*sys.argv[1:]))
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
