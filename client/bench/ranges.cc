#include "client/bench/ranges.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxNumbers = 100;

// From, to and step of "a", "a:b" or "a:b:c"; empty when it is none of them.
std::vector<double> ParsePart(absl::string_view part) {
  std::vector<double> numbers;
  for (const absl::string_view word : absl::StrSplit(part, ':')) {
    double number = 0;
    if (!absl::SimpleAtod(word, &number) || !std::isfinite(number)) return {};
    numbers.push_back(number);
  }
  if (numbers.size() == 1) numbers.push_back(numbers[0]);
  if (numbers.size() == 2) numbers.push_back(1);
  return numbers.size() == 3 && numbers[2] > 0 ? numbers : std::vector<double>();
}

}  // namespace

absl::StatusOr<std::vector<double>> ParseRange(const std::string& name, const std::string& text,
                                               double least) {
  std::vector<double> values;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<double> range = ParsePart(part);
    const double count = range.empty() ? -1 : std::floor((range[1] - range[0]) / range[2]) + 1;
    if (count < 1 || range[0] < least || values.size() + count > kMaxNumbers) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, " is '", text, "'; it must be numbers of at least ", least,
                       " as 1,2,8 or from:to:step, at most ", kMaxNumbers, " of them"));
    }
    for (int i = 0; i < static_cast<int>(count); ++i) values.push_back(range[0] + i * range[2]);
  }
  return values;
}

}  // namespace slotmatch
