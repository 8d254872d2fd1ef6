#pragma once

#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "trainer/eval/item_counts.h"

namespace slotmatch {

// What one value of a metric describes.
enum class MetricLevel { kImage, kVideo };

// A row: a dataset's score is the mean of `value` over its frames (all videos pooled) or its
// videos; items for which it gives nothing are not counted.
struct MetricRow {
  const char* name;
  MetricLevel level;
  const char* meaning;  // one line for people
  std::optional<double> (*value)(const ItemCounts& item);
};
const std::vector<MetricRow>& MetricTable();

// Index of the row with that name; -1: none.
int MetricIndex(absl::string_view name);

}  // namespace slotmatch
