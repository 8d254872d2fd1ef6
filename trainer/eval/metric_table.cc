#include "trainer/eval/metric_table.h"

#include "trainer/eval/ari.h"
#include "trainer/eval/iou.h"
#include "trainer/eval/tracks.h"

namespace slotmatch {
namespace {

using Value = std::optional<double>;
using Item = ItemCounts;

Value FgAriOf(const Item& item) {
  return item.counts_for_ari() ? Value(FgAri(item.pixels())) : std::nullopt;
}
Value AriOf(const Item& item) {
  return item.counts_for_ari() ? Value(AriWithBackground(item.pixels())) : std::nullopt;
}

template <Matching matching>
Value IouOf(const Item& item) {
  return MeanIou(item.pixels(), matching);
}

template <double RegionAndBoundary::Scores::*member>
Value RegionOf(const Item& item) {
  const auto scores = item.regions().Match();
  return scores ? Value((*scores).*member) : std::nullopt;
}

Value SwitchesOf(const Item& item) {
  return item.pixels().has_objects() ? Value(item.switches().count()) : std::nullopt;
}
// High scores with few used slots are the mark of a model that puts everything in one.
Value UsedSlotsOf(const Item& item) {
  if (!item.counts_for_ari()) return std::nullopt;
  int used = 0;
  for (int slot = 0; slot < item.pixels().num_slots(); ++slot) {
    used += item.pixels().SlotArea(slot) > 0 ? 1 : 0;
  }
  return used;
}
Value ObjectPurityOf(const Item& item) { return ObjectPurity(item.pixels()); }
Value SlotPurityOf(const Item& item) { return SlotPurity(item.pixels()); }

Value TrackSwitchesOf(const Item& item) {
  return item.tracks().pixels().has_objects() ? Value(item.tracks().switches().count())
                                              : std::nullopt;
}
Value TrackObjectPurityOf(const Item& item) { return ObjectPurity(item.tracks().pixels()); }
Value TrackPurityOf(const Item& item) { return SlotPurity(item.tracks().pixels()); }
Value TrackFgAriOf(const Item& item) {
  return item.tracks().pixels().has_objects() ? Value(FgAri(item.tracks().pixels())) : std::nullopt;
}

}  // namespace

const std::vector<MetricRow>& MetricTable() {
  constexpr auto kImage = MetricLevel::kImage;
  constexpr auto kVideo = MetricLevel::kVideo;
  using Region = RegionAndBoundary::Scores;
  static const auto& table = *new std::vector<MetricRow>{
      {"image_fg_ari", kImage, "adjusted Rand index of objects", FgAriOf},
      {"video_fg_ari", kVideo, "adjusted Rand index of objects", FgAriOf},
      {"image_mbo", kImage, "mean best overlap", IouOf<Matching::kOverlap>},
      {"video_mbo", kVideo, "mean best overlap", IouOf<Matching::kOverlap>},
      {"image_ari", kImage, "adjusted Rand index, background too", AriOf},
      {"video_ari", kVideo, "adjusted Rand index, background too", AriOf},
      {"image_hungarian_iou", kImage, "IoU, one slot an object", IouOf<Matching::kHungarian>},
      {"video_hungarian_iou", kVideo, "IoU, one slot an object", IouOf<Matching::kHungarian>},
      {"image_index_iou", kImage, "IoU of slot i and object i", IouOf<Matching::kIndex>},
      {"video_index_iou", kVideo, "IoU of slot i and object i", IouOf<Matching::kIndex>},
      {"j_and_f", kVideo, "DAVIS J&F, one slot an object", RegionOf<&Region::j_and_f>},
      {"jaccard", kVideo, "DAVIS J, region similarity", RegionOf<&Region::jaccard>},
      {"boundary_f", kVideo, "DAVIS F, boundary accuracy", RegionOf<&Region::boundary_f>},
      {"image_used_slots", kImage, "slots that own a pixel", UsedSlotsOf},
      {"id_switches", kVideo, "changes of objects' main slots", SwitchesOf},
      {"object_purity", kVideo, "share of an object in its main slot", ObjectPurityOf},
      {"slot_purity", kVideo, "share of a slot's object pixels in its main object", SlotPurityOf},
      {"track_id_switches", kVideo, "changes of objects' main tracks", TrackSwitchesOf},
      {"track_object_purity", kVideo, "share of an object in its main track", TrackObjectPurityOf},
      {"track_purity", kVideo, "share of a track's object pixels in its main object",
       TrackPurityOf},
      {"track_fg_ari", kVideo, "adjusted Rand index of objects, by track", TrackFgAriOf},
  };
  return table;
}

int MetricIndex(absl::string_view name) {
  for (size_t i = 0; i < MetricTable().size(); ++i) {
    if (MetricTable()[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace slotmatch
