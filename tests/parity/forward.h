#pragma once

#include "core/model/video_model.h"
#include "tests/parity/fixture.h"
#include "trainer/loss/loss.h"

namespace slotmatch::parity {

// A model's way over clips: what losses look at, and every stage by the reference's name
// ("encoder.features", "processor.state", ...).
struct Forward {
  LossInputs in;
  Tensors outputs;
};

// clips [B, T, 3, H, W]; `noise` [B, K, S] for a random initialiser, else undefined. The backbone
// runs without gradient.
Forward RunForward(VideoModel model, const torch::Tensor& clips, const torch::Tensor& noise);

}  // namespace slotmatch::parity
