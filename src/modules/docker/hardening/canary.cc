#include "modules/docker/hardening/canary.h"

#include <elf.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "modules/docker/engine_json.h"
#include "modules/docker/selinux_labels.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr const char* kName = "seaworthy-canary";
constexpr const char* kImage = "seaworthy-canary:latest";
constexpr std::size_t kMaxStatus = 64 << 10;

// Waits for a signal, for ever.
#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
constexpr std::array<std::uint8_t, 9> kProgram = {0xb8, 0x22, 0x00,
                                                  0x00, 0x00,   // mov $34, %eax: pause
                                                  0x0f, 0x05,   // syscall
                                                  0xeb, 0xf7};  // jmp to the first
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
constexpr std::array<std::uint8_t, 28> kProgram = {
    0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2,  // mov x0, #0; mov x1, #0
    0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2,  // mov x2, #0; mov x3, #0
    0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,  // mov x8, #73: ppoll; svc #0
    0xfa, 0xff, 0xff, 0x17};                         // b to the first
#else
#error "the canary's program is not written for this processor yet"
#endif

std::string Executable() {
  constexpr Elf64_Addr kBase = 0x400000;
  Elf64_Ehdr head = {};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_ident[EI_VERSION] = EV_CURRENT;
  head.e_type = ET_EXEC;
  head.e_machine = kMachine;
  head.e_version = EV_CURRENT;
  head.e_entry = kBase + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
  head.e_phoff = sizeof(Elf64_Ehdr);
  head.e_ehsize = sizeof(Elf64_Ehdr);
  head.e_phentsize = sizeof(Elf64_Phdr);
  head.e_phnum = 1;
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_vaddr = kBase;
  segment.p_filesz = sizeof(head) + sizeof(segment) + kProgram.size();
  segment.p_memsz = segment.p_filesz;
  segment.p_align = 0x10000;  // the largest page there is
  std::string file(reinterpret_cast<const char*>(&head), sizeof(head));
  file.append(reinterpret_cast<const char*>(&segment), sizeof(segment));
  file.append(reinterpret_cast<const char*>(kProgram.data()), kProgram.size());
  return file;
}

// A tar archive (ustar) with that one file.
std::string Archive() {
  constexpr std::size_t kBlock = 512;
  const std::string file = Executable();
  char head[kBlock] = {};
  std::snprintf(head, 100, "canary");
  std::snprintf(head + 100, 8, "0000755");
  std::snprintf(head + 108, 8, "0000000");
  std::snprintf(head + 116, 8, "0000000");
  std::snprintf(head + 124, 12, "%011zo", file.size());
  std::snprintf(head + 136, 12, "00000000000");
  std::memset(head + 148, ' ', 8);  // the sum counts itself as blanks
  head[156] = '0';
  std::memcpy(head + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  std::snprintf(head + 148, 7, "%06o", sum);
  std::string archive = std::string(head, kBlock) + file;
  archive.resize((archive.size() + kBlock - 1) / kBlock * kBlock, '\0');
  return archive + std::string(2 * kBlock, '\0');
}

Status Failed(const std::string& what) {
  return Fail(Code::kFailedPrecondition, "CANARY_FAILED", "a container to try the engine: " + what);
}

std::string FieldOf(std::string_view status, std::string_view name) {
  for (const std::string_view line : Split(status, '\n')) {
    if (!line.starts_with(name)) continue;
    const std::size_t value = line.find_first_not_of(" \t", name.size());
    return value == std::string_view::npos ? "" : std::string(line.substr(value));
  }
  return "";
}

Status Look(Deadline deadline, EngineApi& engine, const std::string& proc, const std::string& id,
            const Settings& wanted) {
  ASSIGN_OR_RETURN(const json shown, engine.Get(deadline, "/containers/" + id + "/json"));
  const std::string pid = std::to_string(Number(At(shown, {"State", "Pid"})));
  if (!IsTrue(At(shown, {"State", "Running"}))) {
    return Failed("it ended: " + Text(At(shown, {"State", "Error"})));
  }
  const auto said = [&](std::string_view key) {
    const auto found = wanted.find(key);
    return found == wanted.end() ? json() : found->second;
  };
  const json driver = At(shown, {"HostConfig", "LogConfig", "Type"});
  if (!said("log-driver").is_null() && driver != said("log-driver")) {
    return Failed("its log driver is " + driver.dump());
  }
  ASSIGN_OR_RETURN(const Bytes status, ReadFile(proc + "/" + pid + "/status", kMaxStatus));
  if (said("no-new-privileges") == true && FieldOf(AsText(status), "NoNewPrivs:") != "1") {
    return Failed("it runs without no-new-privileges");
  }
  if (said("selinux-enabled") != true) return {};
  ASSIGN_OR_RETURN(const Bytes label, ReadFile(proc + "/" + pid + "/attr/current", kMaxStatus));
  const Status labelled = CheckContainerLabel(LabelOf(AsText(label)));
  return labelled.ok() ? labelled : Failed(Message(labelled));
}

Status StartAndLook(Deadline deadline, EngineApi& engine, const std::string& proc,
                    const Settings& wanted) {
  // An archive that is imported needs no registry.
  Result<json> imported =
      engine.PostRaw(deadline, "/images/create?fromSrc=-&repo=seaworthy-canary&tag=latest",
                     "application/x-tar", Archive());
  if (!imported.ok()) return Failed(Message(imported.status()));
  const json spec = {{"Image", kImage},
                     {"Cmd", {"/canary"}},
                     {"NetworkDisabled", true},
                     {"HostConfig", {{"NetworkMode", "none"}, {"ReadonlyRootfs", true}}}};
  const Result<json> made =
      engine.Post(deadline, std::string("/containers/create?name=") + kName, spec);
  if (!made.ok()) return Failed(Message(made.status()));
  const std::string id = Text(At(*made, {"Id"}));
  const Result<json> started = engine.Post(deadline, "/containers/" + id + "/start");
  if (!started.ok()) return Failed(Message(started.status()));
  return Look(deadline, engine, proc, id, wanted);
}

}  // namespace

Status RunCanary(Deadline deadline, EngineApi& engine, const std::string& proc,
                 const Settings& wanted) {
  RETURN_IF_ERROR(RemoveCanaries(deadline, engine));
  const Status looked = StartAndLook(deadline, engine, proc, wanted);
  const Status removed = RemoveCanaries(deadline, engine);
  return looked.ok() ? removed : looked;
}

Status RemoveCanaries(Deadline deadline, EngineApi& engine) {
  for (const std::string& path : {std::string("/containers/") + kName + "?force=1&v=1",
                                  std::string("/images/") + kImage + "?force=1"}) {
    const Status removed = engine.Delete(deadline, path);
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  return {};
}

}  // namespace seaworthy::docker
