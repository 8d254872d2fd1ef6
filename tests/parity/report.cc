#include "tests/parity/report.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slotmatch::parity {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string ShapeText(const torch::Tensor& tensor) {
  std::string text = "[";
  for (const int64_t side : tensor.sizes()) absl::StrAppend(&text, text == "[" ? "" : ", ", side);
  return text + "]";
}

double Largest(const torch::Tensor& tensor) {
  const torch::Tensor finite = torch::nan_to_num(tensor, 0.0);
  return finite.numel() == 0 ? 0.0 : finite.abs().max().item<double>();
}

double Quotient(double error, double by) {
  if (error == 0) return 0;
  return by > 0 ? error / by : kInfinity;
}

// Absolute differences; 0 where both are NaN, infinite where one is.
torch::Tensor Differences(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor both = a.isnan().logical_and(b.isnan()).logical_or(a == b);
  return torch::where(both, torch::zeros_like(b), (a - b).abs())
      .nan_to_num(kInfinity, kInfinity, kInfinity);
}

double Relative(const torch::Tensor& errors, const torch::Tensor& expected, Scale scale,
                double largest_gradient) {
  const double worst = Largest(errors);
  switch (scale) {
    case Scale::kEach:
      return Largest(torch::where(errors == 0, errors, errors / expected.abs()));
    case Scale::kGradient:
      return Quotient(worst, std::max(Largest(expected), kGradientFloor * largest_gradient));
    default:
      return Quotient(worst, Largest(expected));
  }
}

}  // namespace

void Report::Compare(const Fixture& fixture, const std::string& key, const torch::Tensor& ours,
                     Quantity quantity) {
  CompareWith(fixture, key, ours, fixture.Expected(key), quantity);
}

void Report::CompareWith(const Fixture& fixture, const std::string& name, const torch::Tensor& ours,
                         const torch::Tensor& expected, Quantity quantity) {
  const Tolerance& tolerance = ToleranceOf(quantity);
  Row row{fixture.name(), name, &tolerance, 0, 0, false, ""};
  if (!ours.defined() || ours.sizes() != expected.sizes()) {
    row.absolute = row.relative = kInfinity;
    row.note = absl::StrCat("shape ", ours.defined() ? ShapeText(ours) : "of nothing",
                            " instead of ", ShapeText(expected));
    rows_.push_back(row);
    return;
  }
  const torch::Tensor a = ours.detach().to(torch::kFloat64);
  const torch::Tensor b = expected.to(torch::kFloat64);
  const torch::Tensor errors = Differences(a, b);
  const double largest = tolerance.scale == Scale::kGradient ? fixture.LargestGradient() : 0;
  row.absolute = errors.numel() == 0 ? 0 : errors.max().item<double>();
  row.relative = Relative(errors, b, tolerance.scale, largest);
  row.passed = (tolerance.scale == Scale::kOne ? row.absolute : row.relative) <= tolerance.bound;
  rows_.push_back(row);
}

void Report::Check(const Fixture& fixture, const std::string& name, bool passed,
                   const std::string& note) {
  rows_.push_back({fixture.name(), name, nullptr, 0, 0, passed, note});
}

void Report::FailForgotten(const Fixture& fixture) {
  for (const std::string& key : fixture.Forgotten()) Check(fixture, key, false, "not compared");
}

int Report::failures() const {
  return static_cast<int>(
      std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return !row.passed; }));
}

void Report::Print(std::ostream& out, bool failures_only) const {
  for (const Row& row : rows_) {
    if (failures_only && row.passed) continue;
    out << absl::StrFormat("%s %-34s %-64s", row.passed ? "pass" : "FAIL", row.fixture, row.tensor);
    if (row.tolerance != nullptr) {
      out << absl::StrFormat(" abs %8.2e rel %8.2e  %s <= %.0e", row.absolute, row.relative,
                             row.tolerance->name, row.tolerance->bound);
    }
    out << (row.note.empty() ? "" : "  " + row.note) << "\n";
  }
  out << absl::StrFormat("%d compared, %d failed\n", static_cast<int>(rows_.size()), failures());
}

}  // namespace slotmatch::parity
