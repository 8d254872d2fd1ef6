#include "trainer/loop/resize_model.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"
#include "trainer/loop/init_from.h"
#include "trainer/loop/model_writer.h"

namespace slotmatch {

absl::Status ResizeModel(const std::string& from, int input_px, const std::string& to,
                         const config::Provenance& measured) {
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(from, &parts));
  ModelToWrite resized;
  resized.directory = to;
  resized.config.set_role(files.manifest.role());
  resized.config.set_backbone(from);
  *resized.config.mutable_model() = files.manifest.model();
  *resized.config.mutable_data()->mutable_preprocessing() = files.manifest.preprocessing();
  resized.provenance = files.manifest.provenance();
  *resized.provenance.mutable_scores() = measured.scores();
  config::EncoderConfig* encoder = resized.config.mutable_model()->mutable_encoder();
  encoder->set_input_height_px(input_px);
  encoder->set_input_width_px(input_px);
  SM_RETURN_IF_ERROR(ValidateModelConfig(resized.config.model()));
  VideoModel model(resized.config.model(), WithEncoder::kNo);
  SM_ASSIGN_OR_RETURN(const InitReport report, InitFrom(from, &parts, &model));
  if (!report.missing.empty()) {
    return absl::DataLossError(absl::StrCat(
        from, " cannot be written for another size: ", absl::StrJoin(report.missing, ", ")));
  }
  resized.tensors = NamedTensors(*model, {});
  return WriteModel(resized);
}

}  // namespace slotmatch
