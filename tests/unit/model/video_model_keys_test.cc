#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/video_model.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

class VideoModelKeys : public testing::Test {
 protected:
  VideoModel model_ = MakeTinyModel(TinyModelConfig(), 21);
};

TEST_F(VideoModelKeys, EqualTheReferenceCheckpoints) {
  std::vector<std::string> expected = {"initializer.slots", "decoder.module.pos_emb",
                                       "encoder.module.backbone.model.cls_token",
                                       "encoder.module.backbone.model.pos_embed"};
  const auto both = [&expected](const std::string& layer) {
    expected.push_back(layer + ".weight");
    expected.push_back(layer + ".bias");
  };
  both("encoder.module.backbone.model.patch_embed.proj");
  for (const std::string i : {"0", "1"}) {
    const std::string block = "encoder.module.backbone.model.blocks." + i + ".";
    for (const char* layer : {"norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"}) {
      both(block + layer);
    }
    expected.push_back(block + "ls1.gamma");
    expected.push_back(block + "ls2.gamma");
  }
  for (const char* i : {"0", "1", "3"}) {
    both(std::string("encoder.module.output_transform.layers.") + i);
    both(std::string("processor.module.corrector.mlp.layers.") + i);
  }
  for (const char* key : {"to_k.weight", "to_v.weight", "to_q.weight", "gru.weight_ih",
                          "gru.weight_hh", "gru.bias_ih", "gru.bias_hh"}) {
    expected.push_back(std::string("processor.module.corrector.") + key);
  }
  both("processor.module.corrector.norm_features");
  both("processor.module.corrector.norm_slots");
  for (const char* layer :
       {"self_attn.qkv", "self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"}) {
    both(std::string("processor.module.predictor.blocks.0.") + layer);
  }
  for (const char* i : {"0", "2", "4", "6"}) both(std::string("decoder.module.mlp.layers.") + i);
  EXPECT_THAT(model_->named_parameters().keys(), testing::UnorderedElementsAreArray(expected));
  EXPECT_TRUE(model_->named_buffers().is_empty());
}

TEST_F(VideoModelKeys, AreTwoHundredSeventeenAtFullDepth) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_encoder()->set_depth(12);
  EXPECT_EQ(MakeTinyModel(config, 1)->named_parameters().size(), 217u);
}

TEST_F(VideoModelKeys, RandomInitHasMeanAndSpread) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_slot_init()->set_kind("random");
  const auto keys = MakeTinyModel(config, 1)->named_parameters().keys();
  EXPECT_THAT(keys, testing::IsSupersetOf({"initializer.mean", "initializer.log_std"}));
  EXPECT_THAT(keys, testing::Not(testing::Contains("initializer.slots")));
}

TEST_F(VideoModelKeys, OwnAdditionsAreListed) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_feature_transform()->set_learned_position(true);
  config.mutable_grouping_head()->set_enabled(true);
  config.set_target_normalization(config::COSINE);
  const VideoModel model = MakeTinyModel(config, 1);
  EXPECT_THAT(model->named_parameters().keys(),
              testing::IsSupersetOf({"encoder.module.position", "grouping_head.layers.0.weight",
                                     "grouping_head.layers.2.bias"}));
  EXPECT_THAT(model->named_buffers().keys(),
              testing::UnorderedElementsAre("target_norm.mean", "target_norm.std"));
}

}  // namespace
}  // namespace slotmatch
