"""Checks that no file includes what its layer may not (docs/ARCHITECTURE.md, "Layers").

    check_layers.py [ROOT]

Looks at src/ and include/, and at the link list in each layer's CMakeLists.txt. Prints one line
for each violation and exits with 1 when there is any.
"""

import pathlib
import re
import sys

# Which other layers of ours a layer may include. "modules" stands for any one module, which never
# includes another.
LAYERS = {
    "base": set(),
    "json": {"base"},
    "os": {"base"},
    "tpm": {"base"},
    "tls": {"base", "tpm"},
    "verify": {"base"},
    "rpc": {"base", "os", "tpm"},
    "modules": {"base", "json", "os", "tpm", "tls", "verify", "rpc"},
    "mapper": {"base", "json", "modules"},
    "hardener": {"base", "json", "modules"},
    "app": {"base", "json", "os", "tpm", "tls", "verify", "rpc", "modules"},
    "ctl": {"base", "json", "os", "tpm", "tls", "verify", "rpc", "modules"},
}

# Headers directly in include/seaworthy/ are base's, but for these.
TOP_HEADERS = {name: "verify" for name in ("allowed_files.h", "boot_log.h", "enrolment.h",
                                           "ima_certificate.h", "ima_list.h", "ima_list_file.h",
                                           "ima_signature.h", "pcr_difference.h",
                                           "pcr_prediction.h", "policy.h",
                                           "verifier.h", "verify.h", "verify_message.h")}

# Libraries from outside: a pattern of what is included, and patterns of the files that may. The
# first library that matches decides. At most `files` files may use it where a number is given.
LIBRARIES = [
    ("tss2-mu", r"tss2/tss2_(mu|tpm2_types|common)\.h", [r"src/tpm/.*", r"src/verify/.*"], None),
    ("tss2", r"tss2/.*", [r"src/tpm/.*"], None),
    ("libcrypto's cleanse", r"openssl/crypto\.h",
     [r"src/(base|tpm|tls|verify|app|ctl)/.*", r"include/seaworthy/(tls/.*|[a-z_]+\.h)"], None),
    ("openssl", r"openssl/.*",
     [r"src/(tpm|tls|verify|app|ctl)/.*", r"include/seaworthy/tls/.*",
      r"src/modules/integrity/file_attributes\.cc",
      r"src/modules/docker/(digest|tls_listener)\.cc",
      r"src/modules/volumes/(crypto|envelope)\.cc"], None),
    ("libcryptsetup", r"libcryptsetup\.h", [r"src/modules/volumes/crypt_device\.h"], 1),
    ("libblkid", r"blkid/.*", [r"src/modules/volumes/signatures\.cc"], 1),
    ("libselinux", r"selinux/.*", [r"src/modules/docker/selinux_state\.cc"], 1),
    ("libcurl", r"curl/.*", [r"src/modules/docker/engine_api\.cc"], 1),
    ("absl", r"absl/.*", [r"include/seaworthy/status\.h", r"src/base/status\.cc"], None),
    ("libsystemd", r"systemd/.*", [r"src/(base|os|app)/.*"], None),
    ("nlohmann-json", r"nlohmann/.*",
     [r"src/(json|modules|rpc|verify|app|ctl)/.*", r"include/seaworthy/json/.*"], None),
    ("toml++", r"toml(\+\+|plusplus)/.*|toml\.hpp", [r"src/app/.*"], 1),
    ("CLI11", r"CLI/.*", [r"src/ctl/.*"], None),
    ("protobuf in verify", r"(.*\.pb\.h|google/protobuf/.*)", [r"src/verify/.*"], 1),
    ("grpc and protobuf", r"(.*\.pb\.h|google/protobuf/.*|grpc/.*|grpcpp/.*)",
     [r"src/(rpc|app|ctl)/.*", r"include/seaworthy/rpc/.*", r"src/modules/[a-z_]+/service(_messages)?\.(cc|h)"],
     None),
]

# What the compiler and the C library bring.
SYSTEM = re.compile(r"([a-z_0-9]+(\.h)?|(sys|linux|net|netinet|arpa|asm)/[a-z_0-9]+\.h|bits/.*)")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def layer_of(path):
    """The layer of a file under src/ or include/, for example "tpm" or "modules/keys"."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[0] == "include":
        parts = parts[1:]
        if len(parts) == 2:
            return TOP_HEADERS.get(parts[1], "base")
    if len(parts) < 3:
        return None
    if parts[1] != "modules":
        return parts[1]
    name = parts[2]
    return "modules/" + (name[:-2] if name.endswith(".h") else name)


def may_use(layer, used):
    if layer == used:
        return True
    if layer.startswith("modules/") and used.startswith("modules/"):
        return False
    return used.split("/")[0] in LAYERS.get(layer.split("/")[0], set())


def resolve(root, path, name):
    """The file of ours that `name`, included in quotes from `path`, means; None if none."""
    for folder in (pathlib.PurePosixPath(path).parent, "include", "src"):
        candidate = pathlib.PurePosixPath(folder) / name
        if (root / candidate).is_file():
            return str(candidate)
    return None


def check_library(path, name, users):
    """An error text when `path` may not include the library header `name`."""
    refused = None
    for library, pattern, allowed, limit in LIBRARIES:
        if not re.fullmatch(pattern, name):
            continue
        if any(re.fullmatch(place, path) for place in allowed):
            if limit is not None:
                users.setdefault((library, limit), set()).add(path)
            return None
        refused = refused or f"includes {name}: {library} is not this file's to use"
    if refused:
        return refused
    if SYSTEM.fullmatch(name):
        return None
    return f"includes {name}: unknown library; give it a row in tests/tools/check_layers.py"


def check_file(root, path, users):
    layer = layer_of(path)
    if layer is None or layer.split("/")[0] not in LAYERS:
        yield 1, f"belongs to no layer ({path})"
        return
    text = (root / path).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, name = match.group(1) == '"', match.group(2)
        ours = resolve(root, path, name) if quoted else None
        if ours is None and name.startswith("seaworthy/") and not name.endswith(".pb.h"):
            yield number, f"includes {name}, which does not exist"
        elif ours is None:
            error = check_library(path, name, users)
            if error:
                yield number, error
        elif not may_use(layer, layer_of(ours) or ""):
            yield number, f"{layer} may not include {layer_of(ours)} ({name})"
        elif path.startswith("include/") and ours.startswith("src/"):
            yield number, f"a public header includes a private one ({name})"


def check_links(root, path):
    """The link list of a layer names only what the layer may include."""
    layer = layer_of(path)
    if layer is None:
        return
    text = re.sub(r"#.*", "", (root / path).read_text(encoding="utf-8"))
    for call in re.finditer(r"seaworthy_layer\(([^)]*)\)", text):
        number = text.count("\n", 0, call.start()) + 1
        for used in re.findall(r"\bseaworthy_([a-z]+)\b", call.group(1)):
            if (root / "src/modules" / used).is_dir():
                used = "modules/" + used
            if used not in ("messages", "services") and not may_use(layer, used):
                yield number, f"{layer} may not link {used}"


def check(root):
    """All violations in the tree, as "path:line: text"."""
    root = pathlib.Path(root)
    errors, users = [], {}
    for folder in ("include", "src"):
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix in (".h", ".cc"):
                found = check_file(root, path, users)
            elif file.name == "CMakeLists.txt":
                found = check_links(root, path)
            else:
                continue
            errors += [f"{path}:{number}: {text}" for number, text in found]
    for (library, limit), files in users.items():
        if len(files) > limit:
            errors.append(f"{library}: {len(files)} files use it, {limit} may: "
                          + ", ".join(sorted(files)))
    return errors


def main():
    errors = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    for error in errors:
        print(error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
