// Steps and transactions as JSON; the names are those of the API's messages.
#include <nlohmann/json.hpp>

#include "modules/docker/hardening/json_words.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {

using nlohmann::json;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxTransaction = std::size_t{8} << 20;

FileChange ReadFileChange(const json& value, std::size_t number, FirstError& error) {
  FileChange change;
  ObjectReader reader(value, "/files/" + std::to_string(number), error);
  reader.Text("path", change.path);
  std::string text;
  if (reader.Text("before", text, ObjectReader::kOptional)) change.before = text;
  if (reader.Text("after", text, ObjectReader::kOptional)) change.after = text;
  return change;
}

}  // namespace

Json FilesToJson(const std::vector<FileChange>& files) {
  Json list = Json::array();
  for (const FileChange& file : files) {
    Json& added = list.emplace_back(Json{{"path", file.path}});
    if (file.before) added["before"] = *file.before;
    if (file.after) added["after"] = *file.after;
  }
  return list;
}

std::string OneLine(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToJson(const HardeningStep& step) {
  return OneLine({{"name", step.name}, {"text", step.text}});
}

std::string ToJson(const Transaction& transaction) {
  return OneLine({{"id", transaction.id},
                  {"kind", transaction.kind},
                  {"undoes", transaction.undoes},
                  {"profile", transaction.profile},
                  {"engine", transaction.engine},
                  {"begun", transaction.begun},
                  {"ended", transaction.ended},
                  {"result", transaction.result},
                  {"reason", transaction.reason},
                  {"problem", transaction.problem},
                  {"files", FilesToJson(transaction.files)}});
}

Result<Transaction> ParseTransaction(std::string_view text) {
  const Result<json> value = ParseForeignJson(text, kMaxTransaction, "JOURNAL_MALFORMED");
  FirstError error("JOURNAL_MALFORMED");
  Transaction read;
  if (value.ok()) {
    ObjectReader reader(*value, "", error);
    reader.Text("id", read.id);
    reader.Text("kind", read.kind);
    reader.Text("undoes", read.undoes);
    reader.Text("profile", read.profile);
    reader.Text("engine", read.engine);
    reader.Text("begun", read.begun);
    reader.Text("ended", read.ended);
    reader.Text("result", read.result);
    reader.Text("reason", read.reason);
    reader.Text("problem", read.problem);
    const json* const files = reader.Any("files");
    if (files != nullptr && !files->is_array()) error.Tell("/files", "is no list");
    if (files != nullptr && files->is_array()) {
      for (const json& file : *files) {
        read.files.push_back(ReadFileChange(file, read.files.size(), error));
      }
    }
  }
  const Status& status = value.ok() ? error.status() : value.status();
  if (status.ok()) return read;
  return Fail(Code::kInternal, "JOURNAL_MALFORMED", Message(status));
}

}  // namespace seaworthy::docker
