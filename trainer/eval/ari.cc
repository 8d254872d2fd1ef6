#include "trainer/eval/ari.h"

#include <algorithm>

namespace slotmatch {
namespace {

double Pairs(double n) { return n * (n - 1); }

double Ari(const Contingency& counts, int first_object) {
  std::vector<double> slot_sums(counts.num_slots(), 0.0);
  double together = 0, in_objects = 0, total = 0;
  for (int object = first_object; object < counts.num_rows(); ++object) {
    double sum = 0;
    for (int slot = 0; slot < counts.num_slots(); ++slot) {
      const auto n = static_cast<double>(counts.shared(object, slot));
      together += Pairs(n);
      sum += n;
      slot_sums[slot] += n;
    }
    in_objects += Pairs(sum);
    total += sum;
  }
  double in_slots = 0;
  for (const double n : slot_sums) in_slots += Pairs(n);
  const double expected = in_objects * in_slots / std::max(Pairs(total), 1.0);
  const double largest = (in_objects + in_slots) / 2;
  return largest == expected ? 1.0 : (together - expected) / (largest - expected);
}

}  // namespace

double FgAri(const Contingency& counts) { return Ari(counts, 1); }
double AriWithBackground(const Contingency& counts) { return Ari(counts, 0); }

}  // namespace slotmatch
