#pragma once

#include <string>

#include "spdlog/spdlog.h"

// Logging facade over spdlog: SM_INFO("frame done stream_id={} frame_index={}", id, i).
// Messages are key=value text or JSON lines on stderr. Thread-safe.
#define SM_TRACE(...) SPDLOG_LOGGER_TRACE(spdlog::default_logger_raw(), __VA_ARGS__)
#define SM_DEBUG(...) spdlog::default_logger_raw()->debug(__VA_ARGS__)
#define SM_INFO(...) spdlog::default_logger_raw()->info(__VA_ARGS__)
#define SM_WARNING(...) spdlog::default_logger_raw()->warn(__VA_ARGS__)
#define SM_ERROR(...) spdlog::default_logger_raw()->error(__VA_ARGS__)

namespace slotmatch {

// Sets level ("trace", "debug", "info", "warning", "error") and form of the process's log.
// Returns false for an unknown level and changes nothing. Call once, from main.
bool InitLog(const std::string& level, bool json);

}  // namespace slotmatch
