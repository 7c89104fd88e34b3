#include "modules/integrity/last_boot.h"

#include <nlohmann/json.hpp>

#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr char kFile[] = "last_boot.json";
constexpr std::size_t kMaxFile = 4096;

}  // namespace

Result<std::optional<LastBoot>> ReadLastBoot(const Directory& directory) {
  const Result<Bytes> file = directory.Read(kFile, kMaxFile);
  if (file.status().code() == Code::kNotFound) return std::optional<LastBoot>();
  RETURN_IF_ERROR(file.status());
  const auto damaged = [&](const std::string& what) {
    return Fail(Code::kFailedPrecondition, "LAST_BOOT_DAMAGED",
                directory.path() + "/" + kFile + ": " + what);
  };
  const auto json = nlohmann::json::parse(AsText(*file), nullptr, false);
  if (!json.is_object()) return damaged("is no JSON object");
  LastBoot boot;
  for (const auto& [field, value] :
       {std::pair("boot_id", &boot.boot_id), std::pair("policy_sha256", &boot.policy_sha256),
        std::pair("policy_boot_id", &boot.policy_boot_id)}) {
    const auto found = json.find(field);
    if (found == json.end() || !found->is_string()) {
      return damaged(std::string(field) + ": is no string");
    }
    *value = found->get<std::string>();
  }
  const auto kexec = json.find("kexec");
  if (kexec == json.end() || !kexec->is_boolean()) return damaged("kexec: is not true or false");
  boot.kexec = kexec->get<bool>();
  const auto count = json.find("reset_count");
  if (count == json.end() || !count->is_number_unsigned() || *count > UINT32_MAX) {
    return damaged("reset_count: is no number of 32 bits");
  }
  boot.reset_count = count->get<std::uint32_t>();
  return std::optional(std::move(boot));
}

Status WriteLastBoot(const Directory& directory, const LastBoot& boot) {
  const nlohmann::ordered_json json = {{"boot_id", boot.boot_id},
                                       {"reset_count", boot.reset_count},
                                       {"kexec", boot.kexec},
                                       {"policy_sha256", boot.policy_sha256},
                                       {"policy_boot_id", boot.policy_boot_id}};
  return directory.Replace(kFile, AsBytes(json.dump(2) + "\n"));
}

}  // namespace seaworthy::integrity
