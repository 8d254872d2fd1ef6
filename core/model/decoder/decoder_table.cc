#include "core/model/decoder/decoder.h"

namespace slotmatch {

const std::vector<DecoderRow>& DecoderTable() {
  static const auto& rows = *new std::vector<DecoderRow>{{"mlp", MakeMlpDecoder}};
  return rows;
}

}  // namespace slotmatch
