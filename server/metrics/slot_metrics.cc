#include "server/metrics/slot_metrics.h"

namespace slotmatch {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildHistogram;
using prometheus::Histogram;

Histogram* OneHistogram(const char* name, const char* help,
                        const Histogram::BucketBoundaries& buckets,
                        prometheus::Registry* registry) {
  return &BuildHistogram().Name(name).Help(help).Register(*registry).Add({}, buckets);
}

}  // namespace

SlotMetrics::SlotMetrics(prometheus::Registry* registry)
    : empty_(OneHistogram("slotmatch_empty_slots", "Slots of a frame that own no pixel.",
                          {0, 1, 2, 3, 4, 6, 8, 12, 16}, registry)),
      churn_(
          OneHistogram("slotmatch_slot_churn_ratio",
                       "Share of a frame's slots that show another track than in the frame before.",
                       {0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1}, registry)),
      entropy_(OneHistogram("slotmatch_mask_entropy_ratio",
                            "Mean entropy of a frame's soft masks, 1: all slots alike.",
                            {0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1}, registry)),
      born_(&BuildCounter()
                 .Name("slotmatch_tracks_born_total")
                 .Help("Track IDs given for the first time.")
                 .Register(*registry)
                 .Add({})),
      returned_(&BuildCounter()
                     .Name("slotmatch_tracks_returned_total")
                     .Help("Tracks that came back after they were hidden.")
                     .Register(*registry)
                     .Add({})) {}

void SlotMetrics::Seen(const SlotHealth& health) {
  empty_->Observe(health.empty_slots);
  churn_->Observe(health.churn);
  entropy_->Observe(health.entropy);
  born_->Increment(health.tracks_born);
  returned_->Increment(health.tracks_returned);
}

}  // namespace slotmatch
