#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace slotmatch {

// The one-to-one assignment of rows to columns with the smallest sum of costs: min(rows, columns)
// pairs, exact, in O(min^2 * max) by shortest augmenting paths (Jonker and Volgenant 1987; the
// method of scipy.optimize.linear_sum_assignment). `costs` is [rows, columns], row-major; negate
// scores to maximise them. Returns the column of every row, -1 for a row left over; which of
// several equally good assignments is unspecified but always the same. kInvalidArgument: the size
// is wrong or a cost is not finite. Thread-safe.
absl::StatusOr<std::vector<int>> MinCostAssignment(absl::Span<const double> costs, int rows,
                                                   int columns);

}  // namespace slotmatch
