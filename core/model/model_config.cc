#include "core/model/model_config.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/model/decoder/decoder.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/slots/predictor.h"
#include "core/model/slots/slot_init.h"

namespace slotmatch {
namespace {

constexpr int kMaxSlots = 254;  // a mask pixel is one byte, and 255 means none

// More than any model has; past it, sizes are a slip of the keyboard that would fill the memory.
constexpr int kMaxHidden = 65536, kMaxLayers = 64, kMaxIterations = 100;

class Problems {
 public:
  void Require(bool ok, const std::string& text) {
    if (!ok) list_.push_back(text);
  }

  void RequireWithin(const std::string& field, int value, int most) {
    Require(value >= 1 && value <= most, absl::StrCat(field, " ", value, " is not in 1..", most));
  }

  template <typename Row>
  void RequireRow(const std::string& field, const std::string& name, const std::vector<Row>& rows) {
    std::vector<std::string> known;
    for (const Row& row : rows) {
      if (name == row.name) return;
      known.push_back(row.name);
    }
    list_.push_back(
        absl::StrCat(field, " '", name, "' is unknown; there are: ", absl::StrJoin(known, ", ")));
  }

  absl::Status status() const {
    return list_.empty() ? absl::OkStatus()
                         : absl::FailedPreconditionError(absl::StrJoin(list_, "; "));
  }

 private:
  std::vector<std::string> list_;
};

void CheckDecoder(const config::ModelConfig& config, Problems* problems) {
  const config::DecoderConfig& decoder = config.decoder();
  problems->RequireRow("decoder.kind", decoder.kind(), DecoderTable());
  problems->RequireWithin("decoder.hidden_dim", decoder.hidden_dim(), kMaxHidden);
  problems->RequireWithin("decoder.num_hidden_layers", decoder.num_hidden_layers(), kMaxLayers);
  for (const DecoderRow& row : DecoderTable()) {
    if (decoder.kind() != row.name || !row.has_allocator) continue;
    const int heads = decoder.allocator_heads();
    problems->Require(heads >= 1 && config.slot_dim() % std::max(heads, 1) == 0,
                      absl::StrCat("decoder.allocator_heads ", heads, " does not divide slot_dim ",
                                   config.slot_dim()));
    problems->RequireWithin("decoder.allocator_blocks", decoder.allocator_blocks(), kMaxLayers);
  }
}

void CheckPredictor(const config::ModelConfig& config, Problems* problems) {
  const config::PredictorConfig& predictor = config.predictor();
  problems->RequireRow("predictor.kind", predictor.kind(), PredictorTable());
  for (const PredictorRow& row : PredictorTable()) {
    if (predictor.kind() == row.name && row.make == nullptr) return;
  }
  const int heads = predictor.num_heads();
  problems->Require(
      heads >= 1 && config.slot_dim() % std::max(heads, 1) == 0,
      absl::StrCat("predictor.num_heads ", heads, " does not divide slot_dim ", config.slot_dim()));
  problems->RequireWithin("predictor.num_blocks", predictor.num_blocks(), kMaxLayers);
}

}  // namespace

absl::Status ValidateModelConfig(const config::ModelConfig& config) {
  Problems problems;
  problems.Require(config.num_slots() >= 1 && config.num_slots() <= kMaxSlots,
                   absl::StrCat("num_slots ", config.num_slots(), " is not in 1..", kMaxSlots));
  problems.Require(config.slot_dim() >= 1 && config.slot_dim() <= 4096,
                   absl::StrCat("slot_dim ", config.slot_dim(), " is not in 1..4096"));
  const absl::Status encoder = EncoderShape(config.encoder()).status();
  problems.Require(encoder.ok(), std::string(encoder.message()));
  problems.RequireRow("slot_init.kind", config.slot_init().kind(), SlotInitTable());
  CheckPredictor(config, &problems);
  CheckDecoder(config, &problems);
  const auto& attention = config.slot_attention();
  problems.RequireWithin("slot_attention.first_frame_iterations",
                         attention.first_frame_iterations(), kMaxIterations);
  problems.RequireWithin("slot_attention.iterations", attention.iterations(), kMaxIterations);
  const auto& grouping = config.grouping_head();
  if (grouping.enabled()) {
    problems.RequireWithin("grouping_head.hidden_dim", grouping.hidden_dim(), kMaxHidden);
  }
  problems.Require(config.base().empty(), "base has a meaning in files only");
  return problems.status();
}

}  // namespace slotmatch
