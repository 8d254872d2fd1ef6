#include "core/model/decoder/decoder.h"

namespace slotmatch {

int64_t OutputChannels(const DecoderSizes& sizes, config::DecoderConfig::Outputs outputs) {
  return (outputs != config::DecoderConfig::SIMILARITY ? sizes.token_dim : 0) +
         (outputs != config::DecoderConfig::FEATURES ? sizes.num_tokens : 0);
}

DecodeResult SplitOutputs(const torch::Tensor& channels, const torch::Tensor& masks,
                          const DecoderSizes& sizes, config::DecoderConfig::Outputs outputs) {
  switch (outputs) {
    case config::DecoderConfig::FEATURES:
      return {channels, masks, {}};
    case config::DecoderConfig::SIMILARITY:
      return {{}, masks, channels};
    case config::DecoderConfig::FEATURES_AND_SIMILARITY:
      return {channels.slice(-1, 0, sizes.token_dim), masks, channels.slice(-1, sizes.token_dim)};
  }
  TORCH_CHECK(false, "unknown decoder outputs");
}

const std::vector<DecoderRow>& DecoderTable() {
  static const auto& rows = *new std::vector<DecoderRow>{
      // name, factory, has an allocator
      {"mlp", MakeMlpDecoder, false},
      {"slot_mixer", MakeSlotMixerDecoder, true},
  };
  return rows;
}

}  // namespace slotmatch
