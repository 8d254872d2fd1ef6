#include "core/base/log.h"

#include <map>
#include <memory>
#include <string>

#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_color_sinks.h"

namespace slotmatch {
namespace {

// %* of the JSON pattern: the message with quotes, backslashes and control characters escaped, so
// that a line parses whatever a client put into it.
class JsonMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (const char c : message.payload) {
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (static_cast<unsigned char>(c) < 0x20) {
        constexpr char kHex[] = "0123456789abcdef";
        const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
        out.append(escape, escape + sizeof(escape));
      } else {
        out.push_back(c);
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

std::unique_ptr<spdlog::formatter> MakeFormatter(bool json) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JsonMessage>('*').set_pattern(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%*"})"
           : "%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  return formatter;
}

}  // namespace

bool InitLog(const std::string& level, bool json) {
  static const std::map<std::string, spdlog::level::level_enum> kLevels = {
      {"trace", spdlog::level::trace}, {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},   {"warning", spdlog::level::warn},
      {"error", spdlog::level::err},
  };
  const auto found = kLevels.find(level);
  if (found == kLevels.end()) return false;
  auto logger = std::make_shared<spdlog::logger>(
      "slotmatch", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(found->second);
  logger->set_formatter(MakeFormatter(json));
  spdlog::set_default_logger(std::move(logger));
  return true;
}

}  // namespace slotmatch
