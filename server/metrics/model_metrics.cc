#include "server/metrics/model_metrics.h"

#include <functional>

namespace slotmatch {
namespace {

struct FamilyRow {
  const char* name;
  const char* help;
  double (*value)(const ModelSample&);
};
const FamilyRow kFamilies[] = {
    {"slotmatch_model_load_seconds", "Time to read and check a model.",
     [](const ModelSample& model) { return absl::ToDoubleSeconds(model.load_time); }},
    {"slotmatch_warmup_seconds", "Time of a model's first computations.",
     [](const ModelSample& model) { return absl::ToDoubleSeconds(model.warm_up_time); }},
    {"slotmatch_model_sessions", "Sessions open with a version of a model.",
     [](const ModelSample& model) { return static_cast<double>(model.sessions); }},
    {"slotmatch_model_retiring", "1 while a version waits for its last session to end.",
     [](const ModelSample& model) { return model.retiring ? 1.0 : 0.0; }},
    {"slotmatch_model_info", "Always 1; one series per model.",
     [](const ModelSample&) { return 1.0; }},
};

}  // namespace

std::vector<prometheus::MetricFamily> ModelFamilies(const std::vector<ModelSample>& models) {
  std::vector<prometheus::MetricFamily> families;
  for (const FamilyRow& row : kFamilies) {
    prometheus::MetricFamily family;
    family.name = row.name;
    family.help = row.help;
    family.type = prometheus::MetricType::Gauge;
    const bool info = &row == std::end(kFamilies) - 1;
    for (const ModelSample& model : models) {
      prometheus::ClientMetric metric;
      metric.label = {{"model", model.name}, {"version", model.version}};
      if (info) metric.label.push_back({"digest", model.digest});
      metric.gauge.value = row.value(model);
      family.metric.push_back(std::move(metric));
    }
    families.push_back(std::move(family));
  }
  return families;
}

}  // namespace slotmatch
