#pragma once

#include <vector>

#include "absl/types/span.h"

namespace slotmatch {

// The one-to-one assignment of rows to columns with the least total cost, solved exactly by
// shortest augmenting paths (Jonker and Volgenant 1987, Crouse 2016): min(rows, columns) pairs.
// `costs` is [rows x columns], row by row, with costs.size() == rows * columns. Gives every row its
// column; -1 for a row that gets none, which happens only with more rows than columns. A cost that
// is not finite counts as worse than every finite one. Negate the values to maximise.
// Time O(min^2 * max), memory O(rows * columns). Pure and thread-safe.
std::vector<int> SolveAssignment(absl::Span<const double> costs, int rows, int columns);

}  // namespace slotmatch
