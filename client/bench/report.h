#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "client/bench/load.h"

namespace slotmatch {

// One line of a table for people, and its heading.
std::string LoadHeading();
std::string LoadLine(const LoadOptions& options, const LoadResult& result);

// The same for programs. Times in milliseconds.
std::string LoadCsvHeading();
std::string LoadCsvLine(const LoadOptions& options, const LoadResult& result);
nlohmann::json LoadJson(const LoadOptions& options, const LoadResult& result);

// OK when every frame was answered, no session was lost and the windows agree. kInternal: frames or
// sessions failed; kDeadlineExceeded: not stable.
absl::Status LoadVerdict(const LoadResult& result);

}  // namespace slotmatch
