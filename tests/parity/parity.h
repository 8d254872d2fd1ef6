#pragma once

#include <ostream>
#include <string>

namespace slotmatch::parity {

struct Options {
  std::string fixtures;      // folder, searched recursively for *.safetensors
  std::string models, data;  // empty: FIXTURES/../models and FIXTURES/../data
  std::string markdown;      // file for the table of errors; empty: none
  bool failures_only = false;
};

// Exit codes of the program.
inline constexpr int kAllEqual = 0, kDifferent = 1, kUnusable = 2;

// Compares the product with every fixture and prints rows and a summary to `out`. kUnusable when a
// fixture is unknown, unreadable or incomplete, or when there is none; kDifferent when a
// comparison failed.
int RunParity(const Options& options, std::ostream& out);

}  // namespace slotmatch::parity
