#include "trainer/loop/train_models.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/model/model_io.h"
#include "trainer/loop/init_from.h"
#include "trainer/loss/loss.h"
#include "trainer/loss/teacher_fit.h"

namespace slotmatch {
namespace {

bool SameInput(const config::ModelConfig& a, const config::ModelConfig& b) {
  return a.encoder().SerializeAsString() == b.encoder().SerializeAsString();
}

absl::Status LoadTeacher(const config::TrainConfig& config, PartCache* parts, TrainModels* models) {
  if (config.teacher().path().empty()) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(config.teacher().path(), parts));
  if (files.manifest.role() == "backbone") {
    return absl::FailedPreconditionError(
        absl::StrCat("teacher.path '", config.teacher().path(), "' is a backbone, without slots"));
  }
  SM_ASSIGN_OR_RETURN(models->teacher, LoadVideoModel(files, WithEncoder::kNo));
  for (torch::Tensor& weight : models->teacher->parameters()) weight.set_requires_grad(false);
  const config::ModelConfig& theirs = models->teacher->config();
  models->teacher_digest = absl::StrCat(files.digest, "|", theirs.ShortDebugString());
  const std::vector<std::string> problems = TeacherProblems(config, theirs);
  if (!problems.empty()) return absl::FailedPreconditionError(absl::StrJoin(problems, "; "));
  SM_ASSIGN_OR_RETURN(Backbone backbone,
                      LoadBackbone(files, theirs, files.manifest.preprocessing()));
  const bool same = SameInput(theirs, config.model()) &&
                    backbone.extractor.digest == models->encoders.front().extractor.digest;
  if (!same) models->encoders.push_back(std::move(backbone));
  return absl::OkStatus();
}

}  // namespace

void TrainModels::MoveTo(const torch::Device& device) {
  for (Backbone& encoder : encoders) encoder.vit->to(device);
  if (!teacher.is_empty()) teacher->to(device);
  if (!model.is_empty()) model->to(device);
  if (!heads.is_empty()) heads->to(device);
}

std::vector<std::pair<std::string, torch::Tensor>> TrainModels::Parameters() const {
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  for (const auto& item : model->named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  for (const auto& item : heads->named_parameters()) {
    parameters.emplace_back("loss_heads." + item.key(), item.value());
  }
  return parameters;
}

absl::StatusOr<TrainModels> LoadFrozenModels(const config::TrainConfig& config, PartCache* parts) {
  TrainModels models;
  SM_ASSIGN_OR_RETURN(const ModelFiles backbone, OpenModelDirectory(config.backbone(), parts));
  SM_ASSIGN_OR_RETURN(Backbone encoder,
                      LoadBackbone(backbone, config.model(), config.data().preprocessing()));
  models.encoders.push_back(std::move(encoder));
  SM_RETURN_IF_ERROR(LoadTeacher(config, parts, &models));
  if (AnyLossNeeds(config, kNeedsKeys)) models.encoders.push_back(KeysOf(models.encoders[0]));
  return models;
}

absl::Status MakeTrainedModels(const config::TrainConfig& config, PartCache* parts,
                               TrainModels* models) {
  torch::manual_seed(static_cast<uint64_t>(config.loop().seed()));
  models->model = VideoModel(config.model(), WithEncoder::kNo);
  models->heads = LossHeads(config, models->model->token_dim(),
                            models->teacher.is_empty() ? 0 : models->teacher->token_dim());
  if (config.init_from().empty()) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(const InitReport report, InitFrom(config.init_from(), parts, &models->model));
  SM_INFO("initialised from={} copied={} resampled=\"{}\" not_copied=\"{}\"", config.init_from(),
          report.copied, absl::StrJoin(report.resampled, " "), absl::StrJoin(report.missing, " "));
  return absl::OkStatus();
}

}  // namespace slotmatch
