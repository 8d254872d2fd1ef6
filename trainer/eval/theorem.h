#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/model/video_model.h"

namespace slotmatch {

// Theorem 1 of the paper (eq. 4 and 5): two slots of equal norm r and cosine distance c differ by
// ||t - s||^2 = 2 r^2 c, so a K_f-Lipschitz decoder f gives ||f(t) - f(s)||^2 <= 2 K_f^2 r^2 c.
// Here f maps one slot to the reconstruction it would make alone, [S] -> [N, D], and t and s are a
// teacher's and its student's slot of one index. Norms are not equal after training, so the
// theorem is checked on s scaled to r = ||t||; the pair as it is has the same bound with ||t -
// s||^2 in place of 2 r^2 c.

// Slots [B, S] -> decoded [B, ...]; differentiable.
using SlotDecoder = std::function<torch::Tensor(const torch::Tensor& slots)>;

// Largest singular value of f's Jacobian at each of `points` [B, S] -> [B], by `iterations` of
// power iteration. Every one is a lower bound of K_f.
torch::Tensor LocalLipschitz(const SlotDecoder& f, const torch::Tensor& points,
                             int iterations = 24);

// Upper bound of K_f from an MLP decoder's weights: sqrt(N) times the spectral norms of its layers
// (ReLU is 1-Lipschitz). NaN for other decoders.
double WeightsLipschitz(VideoModel model);

struct TheoremPair {
  double cosine_distance;    // c
  double norm_ratio;         // ||s|| / ||t||
  double distance;           // 2 r^2 c
  double measured;           // ||f(t) - f(s scaled)||^2
  double unscaled_distance;  // ||t - s||^2
  double unscaled_measured;  // ||f(t) - f(s)||^2
  double local_lipschitz;    // largest found on the way from t to s scaled
};

// Pairs of one frame: teacher and student slots [K, S].
std::vector<TheoremPair> CheckTheorem(const SlotDecoder& f, const torch::Tensor& teacher,
                                      const torch::Tensor& student);

// f of a model: its decoder on one slot alone.
SlotDecoder DecoderOfOneSlot(VideoModel model);

}  // namespace slotmatch
