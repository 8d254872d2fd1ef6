#include "core/base/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace slotmatch {
namespace {

constexpr int kNone = -1;

// rows <= columns. Adds one row after the other along the shortest augmenting path.
class Solver {
 public:
  Solver(std::vector<double> costs, int rows, int columns)
      : costs_(std::move(costs)),
        columns_(columns),
        row_price_(rows),
        column_price_(columns),
        row_of_(columns, kNone) {}

  std::vector<int> Solve() {
    const int rows = static_cast<int>(row_price_.size());
    for (int row = 0; row < rows; ++row) Add(row);
    std::vector<int> column_of(rows, kNone);
    for (int column = 0; column < columns_; ++column) {
      if (row_of_[column] != kNone) column_of[row_of_[column]] = column;
    }
    return column_of;
  }

 private:
  void Add(int new_row) {
    distance_.assign(columns_, std::numeric_limits<double>::infinity());
    before_.assign(columns_, kNone);
    done_.assign(columns_, false);
    std::vector<int> visited;  // columns in the order of their distance
    double reached = 0;
    for (int row = new_row, column = kNone; row != kNone; row = row_of_[column]) {
      Relax(row, column, reached);
      column = Nearest();
      reached = distance_[column];
      done_[column] = true;
      visited.push_back(column);
    }
    row_price_[new_row] += reached;
    for (const int column : visited) {
      const double slack = reached - distance_[column];
      column_price_[column] -= slack;
      if (row_of_[column] != kNone) row_price_[row_of_[column]] += slack;
    }
    Flip(new_row, visited.back());
  }

  // Paths that go on through `row`, which `from` is assigned to.
  void Relax(int row, int from, double reached) {
    for (int column = 0; column < columns_; ++column) {
      if (done_[column]) continue;
      const double length =
          reached + costs_[row * columns_ + column] - row_price_[row] - column_price_[column];
      if (length < distance_[column]) {
        distance_[column] = length;
        before_[column] = from;
      }
    }
  }

  int Nearest() const {
    int nearest = kNone;
    for (int column = 0; column < columns_; ++column) {
      if (!done_[column] && (nearest == kNone || distance_[column] < distance_[nearest])) {
        nearest = column;
      }
    }
    return nearest;
  }

  // Every column of the path takes over the row of the column before it.
  void Flip(int new_row, int end) {
    for (int column = end; column != kNone; column = before_[column]) {
      row_of_[column] = before_[column] == kNone ? new_row : row_of_[before_[column]];
    }
  }

  const std::vector<double> costs_;  // [rows, columns]
  const int columns_;
  std::vector<double> row_price_, column_price_;
  std::vector<int> row_of_;  // by column
  // Of the row that is being added, by column.
  std::vector<double> distance_;
  std::vector<int> before_;
  std::vector<bool> done_;
};

// Finite costs as they are; the others become so large that fewer of them always wins.
std::vector<double> Finite(absl::Span<const double> costs, int pairs) {
  double largest = 0;
  for (const double cost : costs) {
    if (std::isfinite(cost)) largest = std::max(largest, std::abs(cost));
  }
  const double worst = (2 * pairs + 1) * (largest + 1);
  std::vector<double> result(costs.begin(), costs.end());
  for (double& cost : result) cost = std::isfinite(cost) ? cost : worst;
  return result;
}

}  // namespace

std::vector<int> SolveAssignment(absl::Span<const double> costs, int rows, int columns) {
  const std::vector<double> finite = Finite(costs, std::min(rows, columns));
  if (rows <= columns) return Solver(finite, rows, columns).Solve();
  std::vector<double> turned(finite.size());
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      turned[column * rows + row] = finite[row * columns + column];
    }
  }
  std::vector<int> column_of(rows, kNone);
  const std::vector<int> row_of = Solver(std::move(turned), columns, rows).Solve();
  for (int column = 0; column < columns; ++column) column_of[row_of[column]] = column;
  return column_of;
}

}  // namespace slotmatch
