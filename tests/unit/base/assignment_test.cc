#include "core/base/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

namespace slotmatch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Total(const std::vector<double>& costs, int columns, const std::vector<int>& column_of) {
  double total = 0;
  for (size_t row = 0; row < column_of.size(); ++row) {
    if (column_of[row] >= 0) total += costs[row * columns + column_of[row]];
  }
  return total;
}

// Least total over all ways to place every row; rows <= columns.
double BruteForce(const std::vector<double>& costs, int rows, int columns) {
  std::vector<int> order(columns);
  std::iota(order.begin(), order.end(), 0);
  double best = kInfinity;
  do {
    best = std::min(best, Total(costs, columns, {order.begin(), order.begin() + rows}));
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(SolveAssignment, TakesTheLeastTotalNotTheLeastFirst) {
  EXPECT_THAT(SolveAssignment({1, 2, 2, 100}, 2, 2), ElementsAre(1, 0));
  EXPECT_THAT(SolveAssignment({4, 1, 3, 2, 0, 5, 3, 2, 2}, 3, 3), ElementsAre(1, 0, 2));
}

TEST(SolveAssignment, EqualsBruteForce) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> cost(-5, 5);
  for (int round = 0; round < 300; ++round) {
    const int rows = 1 + round % 5, columns = rows + round / 5 % 3;
    std::vector<double> costs(rows * columns);
    // Few distinct values make ties, which must not confuse the paths.
    for (double& c : costs) c = round % 2 == 0 ? cost(random) : std::round(cost(random) / 3);
    const std::vector<int> column_of = SolveAssignment(costs, rows, columns);
    EXPECT_EQ(std::set<int>(column_of.begin(), column_of.end()).size(), column_of.size());
    EXPECT_NEAR(Total(costs, columns, column_of), BruteForce(costs, rows, columns), 1e-12);
  }
}

TEST(SolveAssignment, MoreRowsThanColumnsLeaveRowsOut) {
  EXPECT_THAT(SolveAssignment({5, 1, 3}, 3, 1), ElementsAre(-1, 0, -1));
  EXPECT_THAT(SolveAssignment({9, 9, 1, 9, 9, 2}, 3, 2), ElementsAre(-1, 0, 1));
}

TEST(SolveAssignment, NothingToAssign) {
  EXPECT_THAT(SolveAssignment({}, 0, 0), IsEmpty());
  EXPECT_THAT(SolveAssignment({}, 0, 3), IsEmpty());
  EXPECT_THAT(SolveAssignment({}, 2, 0), ElementsAre(-1, -1));
}

TEST(SolveAssignment, AvoidsCostsThatAreNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(SolveAssignment({0, 1000, nan, 1000}, 2, 2), ElementsAre(0, 1));
  EXPECT_THAT(SolveAssignment({nan, 7, -7, kInfinity}, 2, 2), ElementsAre(1, 0));
  EXPECT_EQ(SolveAssignment({nan, nan, nan, nan}, 2, 2).size(), 2u);
}

TEST(SolveAssignment, ManySlotsTakeNoTime) {
  constexpr int kRows = 254;
  std::mt19937 random(4);
  std::uniform_real_distribution<double> cost(0, 1);
  std::vector<double> costs(kRows * kRows);
  for (double& c : costs) c = cost(random);
  for (int row = 0; row < kRows; ++row) costs[row * kRows + (row * 7 + 3) % kRows] = -1;
  const std::vector<int> column_of = SolveAssignment(costs, kRows, kRows);
  for (int row = 0; row < kRows; ++row) EXPECT_EQ(column_of[row], (row * 7 + 3) % kRows);
}

}  // namespace
}  // namespace slotmatch
