#include "core/base/log.h"

#include <memory>
#include <string>

#include "core/base/log_line.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_color_sinks.h"

namespace slotmatch {
namespace {

// %* of the JSON pattern: message and fields, escaped, so that a line parses whatever a client put
// into it.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string members =
        JsonMembers(ParseLogLine({message.payload.data(), message.payload.size()}));
    out.append(members.data(), members.data() + members.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

std::unique_ptr<spdlog::formatter> MakeFormatter(bool json) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JsonMessage>('*').set_pattern(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%*})"
           : "%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  return formatter;
}

struct LevelRow {
  const char* name;
  spdlog::level::level_enum level;
};
constexpr LevelRow kLevels[] = {
    {"trace", spdlog::level::trace}, {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},   {"warning", spdlog::level::warn},
    {"error", spdlog::level::err},
};

const LevelRow* FindLevel(const std::string& name) {
  for (const LevelRow& row : kLevels) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

}  // namespace

bool InitLog(const std::string& level, bool json) {
  const LevelRow* row = FindLevel(level);
  if (row == nullptr) return false;
  auto logger = std::make_shared<spdlog::logger>(
      "slotmatch", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(row->level);
  logger->set_formatter(MakeFormatter(json));
  spdlog::set_default_logger(std::move(logger));
  return true;
}

bool SetLogLevel(const std::string& level) {
  const LevelRow* row = FindLevel(level);
  if (row == nullptr) return false;
  spdlog::default_logger_raw()->set_level(row->level);
  return true;
}

std::string LogLevel() {
  for (const LevelRow& row : kLevels) {
    if (spdlog::default_logger_raw()->level() == row.level) return row.name;
  }
  return "info";
}

std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);  // a line stays one
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace slotmatch
