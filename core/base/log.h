#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "spdlog/spdlog.h"

// Logging facade over spdlog: SM_INFO("frame done stream_id={} frame_index={}", id, i).
// A line is text followed by key=value fields, on stderr; in JSON form the fields are members of
// the line's object. Values that may hold spaces or a client's text go through Quoted().
// Thread-safe.
#define SM_TRACE(...) SPDLOG_LOGGER_TRACE(spdlog::default_logger_raw(), __VA_ARGS__)
#define SM_DEBUG(...) spdlog::default_logger_raw()->debug(__VA_ARGS__)
#define SM_INFO(...) spdlog::default_logger_raw()->info(__VA_ARGS__)
#define SM_WARNING(...) spdlog::default_logger_raw()->warn(__VA_ARGS__)
#define SM_ERROR(...) spdlog::default_logger_raw()->error(__VA_ARGS__)

namespace slotmatch {

// Sets level ("trace", "debug", "info", "warning", "error") and form of the process's log.
// Returns false for an unknown level and changes nothing. Call once, from main.
bool InitLog(const std::string& level, bool json);

// Changes the level alone, at any time. False for an unknown one, which changes nothing.
bool SetLogLevel(const std::string& level);
std::string LogLevel();

// A field's value in quotes, with quotes and backslashes in it escaped and control characters made
// spaces, so that no text can pass for another field or line.
std::string Quoted(absl::string_view text);

}  // namespace slotmatch
