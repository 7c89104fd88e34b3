// The ascii list is meant for people: fields are separated by spaces, and names may hold anything.
// The template digest in each line says which reading is the right one.
#include <algorithm>
#include <charconv>

#include "seaworthy/ima_list.h"
#include "seaworthy/status_macros.h"
#include "verify/ima_template.h"
#include "verify/little_endian.h"

namespace seaworthy::verify {
namespace {

constexpr std::size_t kDigestSize = 20;
// How many lines that look like entries may be part of one name.
constexpr int kMaxLinesOfName = 8;

struct Line {
  std::uint32_t pcr = 0;
  Bytes digest;
  std::string_view name;
  std::string_view fields;  // all that follows the name's space
};

Status Malformed(std::size_t line, std::string_view what) {
  return Fail(Code::kInvalidArgument, "IMA_LIST_MALFORMED",
              "line " + std::to_string(line) + " of the IMA list: " + std::string(what));
}

std::string_view TakeWord(std::string_view& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(std::min(space + 1, text.size()));
  return word;
}

// "10 6bd2...12 ima-ng ...": a PCR, a SHA-1 digest, a template.
std::optional<Line> ParseHead(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::string_view number = TakeWord(text);
  Line line;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), line.pcr);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  const std::string_view hex = TakeWord(text);
  Result<Bytes> digest = ParseHex(hex);
  if (!digest.ok() || digest->size() != kDigestSize) return std::nullopt;
  line.digest = *std::move(digest);
  line.name = TakeWord(text);
  line.fields = text;
  if (line.name.empty()) return std::nullopt;
  return line;
}

bool AppendNumber(std::string_view id, std::string_view text, Bytes& out) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  // umode_t has 16 bits, ids have 32.
  const std::size_t size = id == "imode" ? 2 : 4;
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  return true;
}

// The data of a field out of its text; false when it is not such a field.
bool AppendField(std::string_view id, ImaFieldForm form, std::string_view text, Bytes& out) {
  if (form == ImaFieldForm::kString) {
    out.insert(out.end(), text.begin(), text.end());
    out.push_back(0);
    return true;
  }
  if (text.empty()) return form == ImaFieldForm::kHex || id == "d-modsig";
  if (form == ImaFieldForm::kNumber) return AppendNumber(id, text, out);
  if (form == ImaFieldForm::kDigestWithHash || form == ImaFieldForm::kDigestWithType) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    out.insert(out.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon) + 1);
    out.push_back(0);
    text.remove_prefix(colon + 1);
  }
  const Result<Bytes> bytes = ParseHex(text);
  if (!bytes.ok()) return false;
  out.insert(out.end(), bytes->begin(), bytes->end());
  return true;
}

// The texts of the fields. A name may have spaces: what is before it is taken from the left, what
// is behind it from the right; `bare` takes all the rest as the name.
std::vector<std::string_view> Split(const std::vector<std::string_view>& ids, std::string_view text,
                                    bool bare) {
  std::vector<std::string_view> texts(ids.size());
  std::size_t name = 0;
  for (; name < ids.size() && ids[name] != "n-ng" && ids[name] != "n"; ++name) {
    texts[name] = TakeWord(text);
  }
  for (std::size_t i = ids.size(); !bare && i > name + 1; --i) {
    const std::size_t space = text.rfind(' ');
    if (space == std::string_view::npos) break;
    texts[i - 1] = text.substr(space + 1);
    text = text.substr(0, space);
  }
  if (name < ids.size()) texts[name] = text;
  return texts;
}

// The entry as the binary list has it; empty when the text does not fit the template.
Bytes Assemble(const Line& line, const std::vector<std::string_view>& ids, bool bare) {
  const std::vector<std::string_view> texts = Split(ids, line.fields, bare);
  const bool old = line.name == "ima";
  Bytes data;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto form = FindImaFieldForm(ids[i]);
    Bytes field;
    if (!form || !AppendField(ids[i], *form, texts[i], field)) return {};
    if (old && ids[i] == "n") field.pop_back();  // has no NUL there
    if (!old || ids[i] == "n") AppendLittleEndian32(static_cast<std::uint32_t>(field.size()), data);
    data.insert(data.end(), field.begin(), field.end());
  }
  Bytes entry;
  AppendLittleEndian32(line.pcr, entry);
  entry.insert(entry.end(), line.digest.begin(), line.digest.end());
  AppendLittleEndian32(static_cast<std::uint32_t>(line.name.size()), entry);
  entry.insert(entry.end(), line.name.begin(), line.name.end());
  if (!old) AppendLittleEndian32(static_cast<std::uint32_t>(data.size()), entry);
  entry.insert(entry.end(), data.begin(), data.end());
  return entry;
}

// Whether the listed digest is the entry's; that of a violation says nothing. Nothing when the
// bytes are not one entry: a PCR or a length that no list has.
std::optional<bool> DigestFits(const Bytes& binary) {
  ImaListReader reader;
  reader.Add(binary);
  const auto entry = reader.Next();
  if (!entry.ok() || !entry->has_value() || reader.rest() != 0) return std::nullopt;
  return (*entry)->IsViolation() ||
         std::ranges::equal(ImaTemplateSha1(**entry), (*entry)->template_digest);
}

// Where the entry that begins at `begin` ends at the earliest, but not before `end`: in front of
// the next line that looks like an entry.
std::size_t EndOfEntry(std::string_view ascii, std::size_t end) {
  while (true) {
    end = ascii.find('\n', end);
    if (end == std::string_view::npos || end + 1 == ascii.size()) return ascii.size();
    ++end;
    if (ParseHead(ascii.substr(end, std::min(ascii.find('\n', end), ascii.size()) - end))) {
      return end;
    }
  }
}

}  // namespace

Result<Bytes> ImaAsciiToBinary(std::string_view ascii) {
  Bytes binary;
  std::size_t line_number = 1;
  while (!ascii.empty()) {
    Bytes entry;   // the reading that fits
    Bytes likely;  // the first one, where none fits: then the entry was edited, which is for the
                   // one who judges the list
    std::size_t likely_end = 0;
    std::size_t end = 0;
    for (int lines = 0; lines < kMaxLinesOfName && entry.empty() && end < ascii.size(); ++lines) {
      end = EndOfEntry(ascii, end);
      std::string_view text = ascii.substr(0, end);
      if (text.ends_with('\n')) text.remove_suffix(1);
      const std::optional<Line> line = ParseHead(text);
      if (!line)
        return Malformed(line_number, "it does not begin with a PCR, a digest, a template");
      const std::vector<std::string_view> ids = ImaTemplateFields(line->name);
      for (const bool bare : {false, true}) {
        Bytes read = Assemble(*line, ids, bare);
        const std::optional<bool> fits = read.empty() ? std::nullopt : DigestFits(read);
        if (!fits) continue;
        if (entry.empty() && *fits) entry = read;
        if (likely.empty()) {
          likely = std::move(read);
          likely_end = end;
        }
      }
    }
    if (entry.empty()) {
      if (likely.empty()) return Malformed(line_number, "it does not fit its template");
      entry = std::move(likely);
      end = likely_end;
    }
    binary.insert(binary.end(), entry.begin(), entry.end());
    line_number += static_cast<std::size_t>(std::ranges::count(ascii.substr(0, end), '\n'));
    ascii.remove_prefix(end);
  }
  return binary;
}

}  // namespace seaworthy::verify
