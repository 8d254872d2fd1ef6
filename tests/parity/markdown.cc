#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/parity/report.h"

namespace slotmatch::parity {
namespace {

struct Worst {
  int count = 0, failed = 0;
  double absolute = 0, relative = 0;
};

}  // namespace

std::string Report::Markdown() const {
  // By fixture and quantity; -1 gathers the checks that compare no tensors.
  std::map<std::pair<std::string, int>, Worst> cells;
  for (const Row& row : rows_) {
    const int quantity = row.tolerance == nullptr ? -1 : static_cast<int>(row.tolerance->quantity);
    Worst& cell = cells[{row.fixture, quantity}];
    ++cell.count;
    cell.failed += row.passed ? 0 : 1;
    cell.absolute = std::max(cell.absolute, row.absolute);
    cell.relative = std::max(cell.relative, row.relative);
  }
  std::string text =
      "| fixture | quantity | compared | failed | largest error | relative | bound |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const auto& [key, cell] : cells) {
    absl::StrAppend(&text, "| ", key.first, " | ");
    if (key.second < 0) {
      absl::StrAppendFormat(&text, "check | %d | %d | | | |\n", cell.count, cell.failed);
      continue;
    }
    const Tolerance& tolerance = ToleranceTable()[key.second];
    absl::StrAppendFormat(&text, "%s | %d | %d | %.1e | %.1e | %.0e %s |\n", tolerance.name,
                          cell.count, cell.failed, cell.absolute, cell.relative, tolerance.bound,
                          tolerance.scale == Scale::kOne ? "absolute" : "relative");
  }
  return text;
}

}  // namespace slotmatch::parity
