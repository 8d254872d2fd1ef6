#include "trainer/eval/ari.h"

#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"
#include "trainer/eval/iou.h"

namespace slotmatch {
namespace {

constexpr double kTolerance = 5e-11;  // the vectors are printed with ten digits

struct Vector {
  const char* name;
  const char* truth;
  const char* prediction;
  double fg_ari, mbo;
};

class EvaluationVectors : public testing::TestWithParam<Vector> {};

TEST_P(EvaluationVectors, EqualTheReference) {
  const Vector& v = GetParam();
  Contingency counts(3);
  counts.Add(Map(v.truth), Map(v.prediction));
  EXPECT_NEAR(FgAri(counts), v.fg_ari, kTolerance);
  EXPECT_NEAR(MeanIou(counts, Matching::kOverlap).value(), v.mbo, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Reference, EvaluationVectors,
                         testing::Values(Vector{"A", kGtA, kPredA, 0.3225806452, 0.6},
                                         Vector{"B", kGtA, "1102/1120/0222/0222", 1.0, 0.75},
                                         Vector{"C", kGtA, kAllZero, 0.0, 0.25},
                                         Vector{"D1", kGtD, kAllZero, 1.0, 0.25},
                                         Vector{"D2", kGtD, "0000/0100/0000/0000", 0.0, 0.25},
                                         Vector{"D3", kGtD, kGtD, 1.0, 1.0},
                                         Vector{"H", "1122/1122/1122/1122", "0101/0101/1010/1010",
                                                -0.0714285714, 0.3333333333}),
                         [](const auto& info) { return info.param.name; });

// The background as one more object is the same as labelling it.
TEST(AriWithBackground, CountsUnlabelledPixelsAsOneObject) {
  LabelMap labelled = Map(kGtA);
  for (uint8_t& label : labelled.labels) ++label;
  Contingency counts(3), with_label(3);
  counts.Add(Map(kGtA), Map(kPredA));
  with_label.Add(labelled, Map(kPredA));
  EXPECT_DOUBLE_EQ(AriWithBackground(counts), FgAri(with_label));
  // By hand: counts [[1,0,7],[3,1,0],[0,3,1]]; R = 42 + 6 + 6 = 54, a = 56 + 12 + 12 = 80,
  // b = 12 + 12 + 56 = 80, E = 80 * 80 / 240.
  EXPECT_DOUBLE_EQ(AriWithBackground(counts), (54 - 80 / 3.0) / (80 - 80 / 3.0));
}

TEST(Ari, IsOneWhereNothingCanBeCompared) {
  EXPECT_EQ(FgAri(Contingency(3)), 1.0);
  EXPECT_EQ(AriWithBackground(Contingency(3)), 1.0);
  Contingency single_pixels(2);
  single_pixels.Add(Map("12"), Map("01"));
  EXPECT_EQ(FgAri(single_pixels), 1.0);
}

}  // namespace
}  // namespace slotmatch
