// What the engine answers, taken apart without believing that it has the shape its documents say.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seaworthy::docker {

// The member that a way of names leads to; null where there is none.
const nlohmann::json& At(const nlohmann::json& value,
                         std::initializer_list<std::string_view> names);

// Empty, false, `otherwise`, and none for what is of another type.
std::string Text(const nlohmann::json& value);
bool IsTrue(const nlohmann::json& value);
std::int64_t Number(const nlohmann::json& value, std::int64_t otherwise = 0);
std::vector<std::string> Texts(const nlohmann::json& value);

// Of GET /info: what follows "name=NAME," in SecurityOptions ("profile=default"), empty for
// "name=NAME" alone; nothing where the engine has no such option.
std::optional<std::string> SecurityOption(const nlohmann::json& info, std::string_view name);

// Without the slash that the engine puts before it.
std::string ContainerName(const nlohmann::json& container);

// Whether a Config.User, or that of an exec, is root by its name or number: "0:0", "root:x", "00"
// and "+0" are; and nobody, where the image names none.
bool IsRootUser(std::string_view user);

}  // namespace seaworthy::docker
