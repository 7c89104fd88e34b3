// What the engine answers, taken apart without believing that it has the shape its documents say.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
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

}  // namespace seaworthy::docker
