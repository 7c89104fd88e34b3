"""Checks the rules of docs/STYLE.md that a machine can see.

    check_house_rules.py [ROOT]

Errors, one line each, make it exit with 1; warnings are printed and do not.
"""

import pathlib
import re
import subprocess
import sys

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60

# Spelt in two, so that this file keeps its own rules.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")

# What C++ code does not say: pattern, where (None: everywhere), where not, why. Tests may ask a
# shell for another program's opinion, and throw at what has to catch.
OURS = r"(src|include)/.*"
BANNED = [
    (r"\bthrow\b", OURS, None, "errors are Status values"),
    (r"\bstd::sto(i|l|ll|ul|ull|f|d|ld)\b", OURS, None, "it throws; use std::from_chars"),
    (r"(?<![\w.:>])(std::)?system\s*\(", OURS, None, "no shell: start the program itself"),
    (r"\babsl::", None, r"include/seaworthy/status\.h|src/base/status\.cc",
     "only status.h and status.cc spell absl"),
    (r"(?<![\w.>])(std::this_thread::|::)?(u|nano)?sleep(_for)?\s*\(", r"tests/.*", None,
     "wait for what has to happen, with a deadline"),
    (r"\b(GTEST_SKIP|DISABLED_\w+)", r"tests/.*", None, "a test that can be skipped proves nothing"),
]

CODE = (".cc", ".h")
TEXT = CODE + (".py", ".sh", ".proto", ".cmake", ".txt", ".md", ".toml", ".yml", ".yaml", ".json")

LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
                     re.DOTALL)
# A digit separator is no character literal: 10'000.
SEPARATOR = re.compile(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])")


def code_only(text):
    """`text` without comments and literals, with the same lines."""
    return LITERAL.sub(lambda found: "\n" * found.group().count("\n") or " ",
                       SEPARATOR.sub("", text))


def files_of(root):
    """Paths of the project's files: git's view of them, or all when there is no git."""
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        paths = sorted(set(filter(None, listing.stdout.split("\0"))))
    else:
        paths = sorted(file.relative_to(root).as_posix() for file in root.rglob("*"))
    return [path for path in paths
            if (root / path).is_file() and not path.startswith(("build/", ".git/"))]


def check_banned(path, code):
    for pattern, where, where_not, why in BANNED:
        if where and not re.fullmatch(where, path) or where_not and re.fullmatch(where_not, path):
            continue
        for found in re.finditer(pattern, code):
            line = code.count("\n", 0, found.start()) + 1
            yield f"{path}:{line}: {found.group().strip()}: {why}"


def long_functions(path, code):
    """Functions too long, told by indentation as clang-format leaves it."""
    start, indent, head = None, 0, ""
    for number, line in enumerate(code.splitlines(), 1):
        if start is not None:
            if re.match(r" {%d}\}" % indent, line):
                if number - start + 1 > MAX_FUNCTION_LINES:
                    yield f"{path}:{start}: a function of {number - start + 1} lines"
                start = None
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            head = ""
            continue
        head += line
        opens = re.match(r"( *)", head).group(1)
        if head.rstrip().endswith("{") and len(opens) <= 2:
            if "(" in head and not re.match(r" *(namespace|class|struct|enum|union|extern)\b", head):
                start, indent = number, len(opens)
            head = ""
        elif head.rstrip().endswith((";", "}", ":", "{")):
            head = ""


def built_test_folders(root):
    """The folders that tests/CMakeLists.txt makes programs of: unit/base, ..."""
    text = (root / "tests/CMakeLists.txt").read_text(encoding="utf-8")
    folders = set()
    for layers, body in re.findall(r"foreach\(layer ([^)]*)\)(.*?)endforeach", text, re.DOTALL):
        for level in re.findall(r"seaworthy_tests\((\w+)", body):
            folders.update(f"tests/{level}/{layer}" for layer in layers.split())
    return folders


def check_tests_are_built(root, paths):
    tests = [path for path in paths if path.startswith("tests/") and path.endswith("_test.cc")]
    if not tests:
        return
    built = built_test_folders(root)
    for path in tests:
        folder, name = path.rsplit("/", 1)
        own = root / folder / "CMakeLists.txt"
        if folder not in built and not (own.is_file() and name in own.read_text(encoding="utf-8")):
            yield f"{path}: no test program is made of this folder (tests/CMakeLists.txt)"


def anchors_of(markdown):
    """The anchors GitHub makes of the headings."""
    headings = re.findall(r"^#+ +(.*?) *$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(root, path, text):
    text = re.sub(r"```.*?```", lambda found: "\n" * found.group().count("\n"), text,
                  flags=re.DOTALL)
    for found in re.finditer(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = found.group(1).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        line = text.count("\n", 0, found.start()) + 1
        file = (root / path).parent / target if target else root / path
        if not file.exists():
            yield f"{path}:{line}: the link to {target} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors_of(
                file.read_text(encoding="utf-8")):
            yield f"{path}:{line}: {target or path} has no heading #{anchor}"


def check(root):
    """Errors and warnings in the tree."""
    root = pathlib.Path(root)
    errors, warnings = [], []
    paths = files_of(root)
    for path in paths:
        suffix = pathlib.PurePosixPath(path).suffix
        if path.startswith("tests/data/") or suffix not in TEXT and path not in ("dev", ".ci/run"):
            continue
        text = (root / path).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if UNFINISHED.search(line):
                errors.append(f"{path}:{number}: unfinished business; do it or leave it")
        if suffix in CODE + (".py", ".sh", ".proto") and text.count("\n") > MAX_FILE_LINES:
            errors.append(f"{path}: {text.count(chr(10))} lines, more than {MAX_FILE_LINES}")
        if suffix in CODE:
            code = code_only(text)
            errors += check_banned(path, code)
            warnings += long_functions(path, code)
        if suffix == ".md":
            errors += check_links(root, path, text)
    errors += check_tests_are_built(root, paths)
    return errors, warnings


def main():
    errors, warnings = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    for warning in warnings:
        print("warning:", warning)
    for error in errors:
        print(error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
