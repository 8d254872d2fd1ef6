#include "core/base/log.h"

#include <map>

#include "spdlog/sinks/stdout_color_sinks.h"

namespace slotmatch {

bool InitLog(const std::string& level, bool json) {
  static const std::map<std::string, spdlog::level::level_enum> kLevels = {
      {"trace", spdlog::level::trace},  {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},    {"warning", spdlog::level::warn},
      {"error", spdlog::level::err},
  };
  const auto found = kLevels.find(level);
  if (found == kLevels.end()) return false;
  auto logger = std::make_shared<spdlog::logger>(
      "slotmatch", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(found->second);
  logger->set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%v"})"
                           : "%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_default_logger(std::move(logger));
  return true;
}

}  // namespace slotmatch
