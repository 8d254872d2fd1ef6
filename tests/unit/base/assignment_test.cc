#include "core/base/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace slotmatch {
namespace {

double TotalCost(const std::vector<double>& costs, int columns, const std::vector<int>& column_of) {
  double total = 0;
  for (size_t row = 0; row < column_of.size(); ++row) {
    if (column_of[row] >= 0) total += costs[row * columns + column_of[row]];
  }
  return total;
}

// The smallest total over all permutations; rows <= columns.
double BruteForce(const std::vector<double>& costs, int rows, int columns) {
  std::vector<int> order(columns);
  std::iota(order.begin(), order.end(), 0);
  double best = std::numeric_limits<double>::infinity();
  do {
    best = std::min(best, TotalCost(costs, columns, {order.begin(), order.begin() + rows}));
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

void ExpectOneToOne(const std::vector<int>& column_of, int rows, int columns) {
  ASSERT_EQ(column_of.size(), static_cast<size_t>(rows));
  std::vector<int> used;
  for (const int column : column_of) {
    if (column >= 0) used.push_back(column);
  }
  std::sort(used.begin(), used.end());
  EXPECT_EQ(std::unique(used.begin(), used.end()), used.end());
  EXPECT_EQ(static_cast<int>(used.size()), std::min(rows, columns));
  if (!used.empty()) {
    EXPECT_LT(used.back(), columns);
  }
}

TEST(MinCostAssignment, TakesTheCheapestPairs) {
  // Greedy would take the 1 first and pay 100 for it.
  EXPECT_EQ(*MinCostAssignment({1, 2, 2, 100}, 2, 2), (std::vector<int>{1, 0}));
  EXPECT_EQ(*MinCostAssignment({4, 1, 3, 2, 0, 5, 3, 2, 2}, 3, 3), (std::vector<int>{1, 0, 2}));
}

TEST(MinCostAssignment, EqualsBruteForceOnEveryShape) {
  std::mt19937 random(1);
  for (int rows = 1; rows <= 6; ++rows) {
    for (int columns = rows; columns <= 6; ++columns) {
      for (const int levels : {3, 1000000}) {  // few levels: many ties
        std::uniform_int_distribution<int> pick(-levels, levels);
        std::vector<double> costs(static_cast<size_t>(rows) * columns), transposed(costs.size());
        for (size_t i = 0; i < costs.size(); ++i) {
          costs[i] = pick(random) / 7.0;
          transposed[i % columns * rows + i / columns] = costs[i];
        }
        const double best = BruteForce(costs, rows, columns);
        const std::vector<int> wide = *MinCostAssignment(costs, rows, columns);
        ExpectOneToOne(wide, rows, columns);
        EXPECT_NEAR(TotalCost(costs, columns, wide), best, 1e-9 * levels);
        const std::vector<int> tall = *MinCostAssignment(transposed, columns, rows);
        ExpectOneToOne(tall, columns, rows);
        EXPECT_NEAR(TotalCost(transposed, rows, tall), best, 1e-9 * levels);
      }
    }
  }
}

TEST(MinCostAssignment, FindsAHiddenPermutationInALargeMatrix) {
  constexpr int kSize = 200;
  std::vector<int> hidden(kSize);
  std::iota(hidden.begin(), hidden.end(), 0);
  std::mt19937 random(2);
  std::shuffle(hidden.begin(), hidden.end(), random);
  std::uniform_real_distribution<double> noise(0.0, 1.0);
  std::vector<double> costs(kSize * kSize);
  for (int i = 0; i < kSize * kSize; ++i) {
    costs[i] = hidden[i / kSize] == i % kSize ? -1.0 : noise(random);
  }
  EXPECT_EQ(*MinCostAssignment(costs, kSize, kSize), hidden);
}

TEST(MinCostAssignment, AcceptsNothing) {
  EXPECT_TRUE(MinCostAssignment({}, 0, 0)->empty());
  EXPECT_TRUE(MinCostAssignment({}, 0, 3)->empty());
  EXPECT_EQ(*MinCostAssignment({}, 2, 0), (std::vector<int>{-1, -1}));
}

TEST(MinCostAssignment, RefusesWrongSizesAndCostsThatAreNotFinite) {
  const auto code = [](const std::vector<double>& costs, int rows, int columns) {
    return MinCostAssignment(costs, rows, columns).status().code();
  };
  EXPECT_EQ(code({1, 2, 3}, 2, 2), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({}, -1, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, std::nan("")}, 1, 2), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({std::numeric_limits<double>::infinity()}, 1, 1),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace slotmatch
