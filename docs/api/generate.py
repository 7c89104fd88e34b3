"""Makes the pages of this folder from the comments in proto/.

    generate.py           writes them
    generate.py --check   writes nothing; exits with 1 when one is out of date

Needs protoc and python3-protobuf.
"""

import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
PACKAGE = "seaworthy.v1"
NOTE = "<!-- Made by docs/api/generate.py from the comments in proto/; do not edit. -->\n"

FIELD = descriptor_pb2.FieldDescriptorProto
# Field numbers in descriptor.proto, of which a SourceCodeInfo path is made.
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE, FILE_EXTENSION = 4, 5, 6, 7
MESSAGE_FIELD, ENUM_VALUE, SERVICE_METHOD, SYNTAX = 2, 2, 2, 12


def describe():
    """The descriptors of every .proto file, with their comments."""
    files = sorted(PROTO.glob("seaworthy/v1/*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["protoc", "-I", PROTO, "--include_source_info", "--include_imports",
             f"--descriptor_set_out={out.name}", *files], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())


class Options:
    """Reads the two options of each method, which are extensions of our own."""

    def __init__(self, descriptors):
        pool = descriptor_pool.DescriptorPool()
        for file in descriptors.file:
            pool.Add(file)
        factory = message_factory.MessageFactory(pool)
        self._options = factory.GetPrototype(
            pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
        self._role = pool.FindExtensionByName(f"{PACKAGE}.required_role")
        self._audited = pool.FindExtensionByName(f"{PACKAGE}.audited")
        for extension in (self._role, self._audited):
            self._options.RegisterExtension(extension)

    def of(self, method):
        options = self._options.FromString(method.options.SerializeToString())
        role = options.Extensions[self._role]
        return self._role.enum_type.values_by_number[role].name, options.Extensions[self._audited]


class Comments:
    def __init__(self, file):
        self._by_path = {tuple(place.path): place for place in file.source_code_info.location}

    def of(self, *path):
        place = self._by_path.get(path)
        return " ".join(place.leading_comments.split()) if place else ""

    def head(self):
        """What the file begins with."""
        detached = self._by_path[(SYNTAX,)]
        return " ".join([*detached.leading_detached_comments, detached.leading_comments][0].split())


class Pages:
    def __init__(self, descriptors):
        self._files = [file for file in descriptors.file if file.package == PACKAGE]
        self._options = Options(descriptors)
        self._page_of = {}
        for file in self._files:
            for kind in (file.message_type, file.enum_type):
                for each in kind:
                    self._page_of[f".{PACKAGE}.{each.name}"] = self._page_name(file)

    @staticmethod
    def _page_name(file):
        return (file.service[0].name if file.service else pathlib.Path(file.name).stem) + ".md"

    def _type(self, name, page):
        short = name.rsplit(".", 1)[-1]
        where = self._page_of.get(name)
        if where is None:
            return name.lstrip(".")
        return f"[{short}]({'' if where == page else where}#{short.lower()})"

    def _field_type(self, field, page):
        if field.type_name:
            text = self._type(field.type_name, page)
        else:
            text = FIELD.Type.Name(field.type)[len("TYPE_"):].lower()
        return f"list of {text}" if field.label == FIELD.LABEL_REPEATED else text

    def _service(self, index, service, comments, page):
        yield f"## {service.name}\n"
        if comment := comments.of(FILE_SERVICE, index):
            yield f"{comment}\n"
        yield "| method | request | answer | least role | audited |"
        yield "|---|---|---|---|---|"
        for method in service.method:
            role, audited = self._options.of(method)
            answer = self._type(method.output_type, page)
            yield (f"| [{method.name}](#{method.name.lower()}) "
                   f"| {self._type(method.input_type, page)} "
                   f"| {'stream of ' if method.server_streaming else ''}{answer} "
                   f"| {role} | {'yes' if audited else 'when refused'} |")
        yield ""
        for number, method in enumerate(service.method):
            yield f"### {method.name}\n"
            yield comments.of(FILE_SERVICE, index, SERVICE_METHOD, number) + "\n"

    def _message(self, index, message, comments, page):
        yield f"### {message.name}\n"
        if comment := comments.of(FILE_MESSAGE, index):
            yield f"{comment}\n"
        if not message.field:
            yield "No fields.\n"
            return
        yield "| field | number | type | meaning |"
        yield "|---|---|---|---|"
        for number, field in enumerate(message.field):
            meaning = comments.of(FILE_MESSAGE, index, MESSAGE_FIELD, number).replace("|", "\\|")
            yield (f"| `{field.name}` | {field.number} | {self._field_type(field, page)} "
                   f"| {meaning} |")
        yield ""

    @staticmethod
    def _enum(index, enum, comments):
        yield f"### {enum.name}\n"
        if comment := comments.of(FILE_ENUM, index):
            yield f"{comment}\n"
        yield "| value | number | meaning |"
        yield "|---|---|---|"
        for number, value in enumerate(enum.value):
            meaning = comments.of(FILE_ENUM, index, ENUM_VALUE, number).replace("|", "\\|")
            yield f"| `{value.name}` | {value.number} | {meaning} |"
        yield ""

    def _extensions(self, file, comments):
        if not file.extension:
            return
        yield "## Method options\n"
        yield "| option | number | type | meaning |"
        yield "|---|---|---|---|"
        for index, extension in enumerate(file.extension):
            yield (f"| `{extension.name}` | {extension.number} "
                   f"| {self._field_type(extension, self._page_name(file))} "
                   f"| {comments.of(FILE_EXTENSION, index)} |")
        yield ""

    def page(self, file):
        comments = Comments(file)
        page = self._page_name(file)
        yield NOTE
        title = file.service[0].name if file.service else f"{pathlib.Path(file.name).stem} types"
        yield f"# {title}\n"
        yield f"{comments.head()}\n"
        yield f"Package `{PACKAGE}`, file [proto/{file.name}](../../proto/{file.name}).\n"
        for index, service in enumerate(file.service):
            yield from self._service(index, service, comments, page)
        yield from self._extensions(file, comments)
        if file.message_type:
            yield "## Messages\n"
        for index, message in enumerate(file.message_type):
            yield from self._message(index, message, comments, page)
        if file.enum_type:
            yield "## Enumerations\n"
        for index, enum in enumerate(file.enum_type):
            yield from self._enum(index, enum, comments)

    def index(self):
        yield NOTE
        yield "# The control API\n"
        yield ("gRPC services of seaworthyd, the same on its local sockets and on its mTLS listener. "
               "What a caller may do depends on its role; each role includes the ones before it: "
               "READER, ATTESTER, OPERATOR, ADMIN. Each answer carries the trailing metadata "
               "`seaworthy-request-id`, by which the audit trail knows the call; each error also "
               "`seaworthy-reason`, a stable word for programs.\n")
        yield "| page | about |"
        yield "|---|---|"
        for file in self._files:
            page = self._page_name(file)
            yield f"| [{page[:-3]}]({page}) | {Comments(file).head()} |"
        yield ""
        yield "Made by `/usr/bin/python3 docs/api/generate.py`; a test fails when a page is out of date.\n"

    def all(self):
        pages = {self._page_name(file): self.page(file) for file in self._files}
        pages["README.md"] = self.index()
        return {name: "\n".join(lines).rstrip("\n") + "\n" for name, lines in pages.items()}


def main():
    pages = Pages(describe()).all()
    if sys.argv[1:] != ["--check"]:
        for name, text in pages.items():
            (HERE / name).write_text(text, encoding="utf-8")
        return 0
    there = {file.name: file.read_text(encoding="utf-8") for file in HERE.glob("*.md")}
    stale = sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))
    for name in stale:
        print(f"docs/api/{name} is out of date: run /usr/bin/python3 docs/api/generate.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
