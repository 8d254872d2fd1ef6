#include "core/base/assignment.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rows are assigned one after the other, each along the cheapest path of reassignments that ends at
// a free column (Dijkstra over reduced costs). Needs rows <= columns.
class Solver {
 public:
  // The costs are read transposed when `transposed`; borrowed for the object's life.
  Solver(absl::Span<const double> costs, int rows, int columns, bool transposed)
      : costs_(costs),
        rows_(rows),
        columns_(columns),
        transposed_(transposed),
        row_price_(rows, 0.0),
        column_price_(columns, 0.0),
        row_of_(columns, -1),
        column_of_(rows, -1) {}

  std::vector<int> Solve() {
    for (int row = 0; row < rows_; ++row) Assign(row);
    return column_of_;
  }

 private:
  double Cost(int row, int column) const {
    return transposed_ ? costs_[static_cast<size_t>(column) * rows_ + row]
                       : costs_[static_cast<size_t>(row) * columns_ + column];
  }

  void Assign(int first_row) {
    std::vector<double> distance(columns_, kInfinity);
    std::vector<int> previous_row(columns_, -1);
    std::vector<char> done(columns_, 0);
    double length = 0;
    int row = first_row, end = -1;
    while (end < 0) {
      int next = -1;
      for (int column = 0; column < columns_; ++column) {
        if (done[column]) continue;
        const double through = length + Cost(row, column) - row_price_[row] - column_price_[column];
        if (through < distance[column]) {
          distance[column] = through;
          previous_row[column] = row;
        }
        // A free column at the same distance ends the search at once.
        if (next < 0 || distance[column] < distance[next] ||
            (distance[column] == distance[next] && row_of_[column] < 0 && row_of_[next] >= 0)) {
          next = column;
        }
      }
      length = distance[next];
      done[next] = 1;
      if (row_of_[next] < 0) {
        end = next;
      } else {
        row = row_of_[next];
      }
    }
    UpdatePrices(first_row, length, distance, done);
    Augment(first_row, end, previous_row);
  }

  // Keeps every reduced cost >= 0 and those of assigned pairs 0.
  void UpdatePrices(int first_row, double length, const std::vector<double>& distance,
                    const std::vector<char>& done) {
    row_price_[first_row] += length;
    for (int column = 0; column < columns_; ++column) {
      if (!done[column]) continue;
      if (row_of_[column] >= 0) row_price_[row_of_[column]] += length - distance[column];
      column_price_[column] -= length - distance[column];
    }
  }

  void Augment(int first_row, int end, const std::vector<int>& previous_row) {
    for (int column = end;;) {
      const int row = previous_row[column];
      row_of_[column] = row;
      std::swap(column_of_[row], column);
      if (row == first_row) return;
    }
  }

  absl::Span<const double> costs_;
  int rows_, columns_;
  bool transposed_;
  std::vector<double> row_price_, column_price_;
  std::vector<int> row_of_, column_of_;  // -1: free
};

}  // namespace

absl::StatusOr<std::vector<int>> MinCostAssignment(absl::Span<const double> costs, int rows,
                                                   int columns) {
  if (rows < 0 || columns < 0 || costs.size() != static_cast<size_t>(rows) * columns) {
    return absl::InvalidArgumentError(absl::StrCat("an assignment of ", rows, " x ", columns,
                                                   " needs as many costs, not ", costs.size()));
  }
  for (const double cost : costs) {
    if (!std::isfinite(cost)) {
      return absl::InvalidArgumentError(
          absl::StrCat("assignment costs must be finite, not ", cost));
    }
  }
  if (rows <= columns) return Solver(costs, rows, columns, false).Solve();
  const std::vector<int> row_of = Solver(costs, columns, rows, true).Solve();
  std::vector<int> column_of(rows, -1);
  for (int column = 0; column < columns; ++column) column_of[row_of[column]] = column;
  return column_of;
}

}  // namespace slotmatch
