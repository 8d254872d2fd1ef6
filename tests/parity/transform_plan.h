#pragma once

#include <torch/types.h>

#include <string>

#include "core/image/image.h"
#include "core/image/transform.h"
#include "slotmatch/config/model.pb.h"
#include "tests/parity/fixture.h"

namespace slotmatch::parity {

// The product's settings for the reference's settings of a transform (name, crop_type, input_size,
// h_flip_prob, use_movi_normalization).
config::Preprocessing PreprocessingOf(const Fixture& fixture, const nlohmann::json& config);

// The plan for pictures of size `in`, resized to `side` pixels. `box` is (top, left, height, width)
// of a random crop, undefined for a fixed geometry.
FrameTransform PlanOf(const Fixture& fixture, const nlohmann::json& config, PixelSize in, int side,
                      const torch::Tensor& box);

// [H, W, 3] bytes -> picture, and the model's input [3, height, width] of a picture.
Image ImageOf(const torch::Tensor& bytes);
torch::Tensor Transformed(const Image& image, const FrameTransform& plan,
                          const config::Preprocessing& settings);

// Of all values along an axis, divided by their number.
torch::Tensor StandardDeviation(const torch::Tensor& values, int64_t axis);

}  // namespace slotmatch::parity
