#include "core/base/log_line.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

bool IsKeyChar(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_'; }

// The value at the front of `rest`, which is cut off; nullopt when its quotes do not close.
std::optional<std::string> TakeValue(absl::string_view* rest) {
  std::string value;
  if (rest->empty() || rest->front() != '"') {
    const size_t end = std::min(rest->find(' '), rest->size());
    value = std::string(rest->substr(0, end));
    rest->remove_prefix(end);
    return value.find('"') == std::string::npos ? std::make_optional(value) : std::nullopt;
  }
  for (size_t i = 1; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (c == '"') {
      rest->remove_prefix(i + 1);
      return value;
    }
    if (c == '\\' && ++i == rest->size()) return std::nullopt;
    value.push_back((*rest)[i]);
  }
  return std::nullopt;
}

// key=value key=value ...; nullopt when it is anything else.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseFields(
    absl::string_view rest) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (;;) {
    const size_t equals = rest.find('=');
    if (equals == 0 || equals == absl::string_view::npos) return std::nullopt;
    const std::string key(rest.substr(0, equals));
    const bool taken = key == "time" || key == "level" || key == "message" ||
                       std::any_of(fields.begin(), fields.end(),
                                   [&](const auto& field) { return field.first == key; });
    if (taken || !std::all_of(key.begin(), key.end(), IsKeyChar)) return std::nullopt;
    rest.remove_prefix(equals + 1);
    std::optional<std::string> value = TakeValue(&rest);
    if (!value.has_value()) return std::nullopt;
    fields.emplace_back(key, *std::move(value));
    if (rest.empty()) return fields;
    if (rest.front() != ' ') return std::nullopt;
    rest.remove_prefix(1);
  }
}

// Where the first word key=... begins; the end when there is none.
size_t FieldsBegin(absl::string_view line) {
  size_t word = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '=' && i > word) return word;
    if (!IsKeyChar(line[i])) word = i + 1;
  }
  return line.size();
}

// Length of the UTF-8 sequence at the front of `text`; 0 when it is none.
size_t Utf8Length(absl::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = at(0) < 0x80   ? 1
                        : at(0) < 0xC2 ? 0
                        : at(0) < 0xE0 ? 2
                        : at(0) < 0xF0 ? 3
                        : at(0) < 0xF5 ? 4
                                       : 0;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  if (length < 3) return length;
  const bool overlong = (at(0) == 0xE0 && at(1) < 0xA0) || (at(0) == 0xF0 && at(1) < 0x90);
  const bool beyond = (at(0) == 0xED && at(1) >= 0xA0) || (at(0) == 0xF4 && at(1) >= 0x90);
  return overlong || beyond ? 0 : length;
}

void AppendJsonString(absl::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  while (!text.empty()) {
    const char c = text.front();
    const size_t length = Utf8Length(text);
    if (c == '"' || c == '\\') {
      out->append({'\\', c});
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out->append({'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]});
    } else {
      absl::StrAppend(out, length == 0 ? "\xEF\xBF\xBD" : text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  out->push_back('"');
}

}  // namespace

LogLine ParseLogLine(absl::string_view line) {
  const size_t begin = FieldsBegin(line);
  auto fields = ParseFields(line.substr(begin));
  if (!fields.has_value()) return {std::string(line), {}};
  absl::string_view text = line.substr(0, begin);
  if (!text.empty()) text.remove_suffix(1);  // the space before the first field
  return {std::string(text), *std::move(fields)};
}

std::string JsonMembers(const LogLine& line) {
  std::string json = "\"message\":";
  AppendJsonString(line.text, &json);
  for (const auto& [key, value] : line.fields) {
    absl::StrAppend(&json, ",\"", key, "\":");
    AppendJsonString(value, &json);
  }
  return json;
}

}  // namespace slotmatch
