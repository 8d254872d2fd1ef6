#pragma once

#include <torch/types.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/parity/fixture.h"
#include "tests/parity/tolerance.h"

namespace slotmatch::parity {

// One comparison.
struct Row {
  std::string fixture, tensor;
  const Tolerance* tolerance;  // null: something other than two tensors, told by `note`
  double absolute = 0;         // largest absolute error
  double relative = 0;         // largest error divided as the tolerance says (Scale::kOne: kTensor)
  bool passed = false;
  std::string note;
};

// Collects comparisons and prints them. Not thread-safe.
class Report {
 public:
  // Compares with the expected value `key` of the fixture. Shapes must be the same; two NaN are
  // equal.
  void Compare(const Fixture& fixture, const std::string& key, const torch::Tensor& ours,
               Quantity quantity);
  // The same against a value that has no key of its own.
  void CompareWith(const Fixture& fixture, const std::string& name, const torch::Tensor& ours,
                   const torch::Tensor& expected, Quantity quantity);
  // Records a check that is not a comparison of tensors.
  void Check(const Fixture& fixture, const std::string& name, bool passed, const std::string& note);
  // Fails every expected value that was not compared.
  void FailForgotten(const Fixture& fixture);

  const std::vector<Row>& rows() const { return rows_; }
  int failures() const;

  // One line per row and a summary line; with `failures_only` the rows that failed.
  void Print(std::ostream& out, bool failures_only) const;
  // Worst errors per fixture and quantity, as a Markdown table.
  std::string Markdown() const;

 private:
  std::vector<Row> rows_;
};

}  // namespace slotmatch::parity
