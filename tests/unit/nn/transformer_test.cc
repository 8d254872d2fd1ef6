#include "core/nn/transformer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace slotmatch {
namespace {

double MaxDifference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class TransformerTest : public testing::Test {
 protected:
  TransformerTest() { torch::manual_seed(12); }
  torch::NoGradGuard no_grad_;
};

TEST_F(TransformerTest, OwnRowsAsMemoryAreSelfAttention) {
  SharpAttention attention(8, 2);
  const torch::Tensor x = torch::randn({2, 5, 8});
  const torch::Tensor order = torch::tensor({3, 0, 4, 2, 1}, torch::kInt64);
  EXPECT_LT(
      MaxDifference(attention->forward(x, x), attention->forward(x, x.index_select(1, order))),
      1e-5);
}

// Against one query and head at a time, with logits sqrt(head width) * <q, k>.
TEST_F(TransformerTest, AttentionEqualsItsDefinition) {
  SharpAttention attention(8, 2);
  attention->to(torch::kFloat64);
  const auto p = attention->named_parameters();
  p["qkv.bias"].normal_();
  p["out_proj.bias"].normal_();
  const torch::Tensor query = torch::randn({1, 3, 8}, torch::kFloat64);
  const torch::Tensor memory = torch::randn({1, 5, 8}, torch::kFloat64);
  const auto project = [&p](const torch::Tensor& x, int64_t part) {
    return at::matmul(x, p["qkv.weight"].slice(0, 8 * part, 8 * part + 8).t()) +
           p["qkv.bias"].slice(0, 8 * part, 8 * part + 8);
  };
  const torch::Tensor q = project(query[0], 0), k = project(memory[0], 1),
                      v = project(memory[0], 2);
  std::vector<torch::Tensor> heads;
  for (int64_t first = 0; first < 8; first += 4) {
    const auto head = [first](const torch::Tensor& x) { return x.slice(1, first, first + 4); };
    heads.push_back(at::matmul((2 * at::matmul(head(q), head(k).t())).softmax(1), head(v)));
  }
  const torch::Tensor expected =
      at::matmul(torch::cat(heads, 1), p["out_proj.weight"].t()) + p["out_proj.bias"];
  EXPECT_LT(MaxDifference(attention->forward(query, memory)[0], expected), 1e-12);
}

TEST_F(TransformerTest, OneQueryServesEveryMemoryOfTheBatch) {
  const torch::nn::ModuleList blocks = TransformerBlocks(8, 2, 2);
  const torch::Tensor x = torch::randn({1, 5, 8}), memory = torch::randn({3, 4, 8});
  EXPECT_LT(
      MaxDifference(RunBlocks(blocks, x, memory), RunBlocks(blocks, x.repeat({3, 1, 1}), memory)),
      1e-5);
}

// With a memory, rows of x do not see each other.
TEST_F(TransformerTest, CrossAttentionTreatsEveryRowAlone) {
  const torch::nn::ModuleList blocks = TransformerBlocks(8, 2, 2);
  const torch::Tensor x = torch::randn({2, 5, 8}), memory = torch::randn({2, 4, 8});
  const torch::Tensor all = RunBlocks(blocks, x, memory);
  EXPECT_LT(MaxDifference(RunBlocks(blocks, x.slice(1, 2, 3), memory), all.slice(1, 2, 3)), 1e-5);
  EXPECT_GT(MaxDifference(RunBlocks(blocks, x.slice(1, 2, 3)), all.slice(1, 2, 3)), 1e-3);
}

}  // namespace
}  // namespace slotmatch
