#include "server/rpc/model_convert.h"

namespace slotmatch {
namespace {

void FillTraining(const config::Provenance& from, v1::Training* to) {
  to->set_data(from.data());
  to->set_recipe(from.recipe());
  to->set_seed(from.seed());
  to->set_steps(from.steps());
  to->set_commit(from.commit());
  for (const config::Score& score : from.scores()) {
    v1::Score* wire = to->add_scores();
    wire->set_dataset(score.dataset());
    wire->set_metric(score.metric());
    wire->set_value(score.value());
  }
}

}  // namespace

v1::ModelInfo ToWire(const ModelInfo& info) {
  v1::ModelInfo wire;
  wire.set_name(info.name);
  wire.set_version(info.version);
  wire.set_digest(info.digest);
  wire.set_role(info.role);
  wire.set_num_slots(info.num_slots);
  wire.set_slot_dim(info.slot_dim);
  wire.set_grid_height(info.grid_height);
  wire.set_grid_width(info.grid_width);
  wire.set_input_height(info.input_height_px);
  wire.set_input_width(info.input_width_px);
  if (info.provenance != nullptr) FillTraining(*info.provenance, wire.mutable_training());
  return wire;
}

}  // namespace slotmatch
