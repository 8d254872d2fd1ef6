#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "core/model/video_model.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// Slots -> masks, and per token what DecoderConfig.outputs names. Leading dimensions of `slots`
// are free.
class Decoder : public torch::nn::Module {
 public:
  // slots [..., K, S]; token_index [N'] int64 or undefined for all N tokens.
  virtual DecodeResult Decode(const torch::Tensor& slots, const torch::Tensor& token_index) = 0;
  // Masks alone [..., K, N].
  virtual torch::Tensor Masks(const torch::Tensor& slots) = 0;
};

struct DecoderSizes {
  int64_t slot_dim;    // S
  int64_t num_tokens;  // N
  int64_t token_dim;   // D
};

// Channels per token that the outputs take together.
int64_t OutputChannels(const DecoderSizes& sizes, config::DecoderConfig::Outputs outputs);
// channels [..., N', OutputChannels] -> reconstruction and similarity, in this order.
DecodeResult SplitOutputs(const torch::Tensor& channels, const torch::Tensor& masks,
                          const DecoderSizes& sizes, config::DecoderConfig::Outputs outputs);

struct DecoderRow {
  const char* name;
  std::shared_ptr<Decoder> (*make)(const DecoderSizes& sizes, const config::DecoderConfig& config);
  bool has_allocator;  // DecoderConfig.allocator_* mean something
};
const std::vector<DecoderRow>& DecoderTable();

// The rows' factories.
std::shared_ptr<Decoder> MakeMlpDecoder(const DecoderSizes& sizes,
                                        const config::DecoderConfig& config);
std::shared_ptr<Decoder> MakeSlotMixerDecoder(const DecoderSizes& sizes,
                                              const config::DecoderConfig& config);

}  // namespace slotmatch
