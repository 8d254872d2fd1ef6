#include "server/rpc/kserve_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

std::string Packed(const std::string& bytes) {
  const uint32_t length = static_cast<uint32_t>(bytes.size());
  return std::string(reinterpret_cast<const char*>(&length), 4) + bytes;
}

inference::ModelInferRequest Request(const std::string& datatype, std::vector<int64_t> shape,
                                     const std::string& raw) {
  inference::ModelInferRequest request;
  auto* input = request.add_inputs();
  input->set_name("frame");
  input->set_datatype(datatype);
  for (const int64_t side : shape) input->add_shape(side);
  request.add_raw_input_contents(raw);
  return request;
}

TEST(TakeInfer, TakesAPictureInEveryForm) {
  inference::ModelInferRequest request = Request("BYTES", {1}, Packed("jpeg"));
  auto infer = TakeInfer(&request);
  ASSERT_THAT(infer, IsOk());
  EXPECT_FALSE(infer->frame.raw);
  EXPECT_EQ(infer->frame.bytes, "jpeg");
  EXPECT_TRUE(infer->outputs.masks && infer->outputs.slots && infer->outputs.slot_ids);

  request = Request("BYTES", {1, 1}, "");
  request.clear_raw_input_contents();
  request.mutable_inputs(0)->mutable_contents()->add_bytes_contents("png");
  infer = TakeInfer(&request);
  ASSERT_THAT(infer, IsOk());
  EXPECT_EQ(infer->frame.bytes, "png");

  request = Request("UINT8", {1, 2, 1, 3}, "abcdef");
  infer = TakeInfer(&request);
  ASSERT_THAT(infer, IsOk());
  EXPECT_TRUE(infer->frame.raw);
  EXPECT_EQ(infer->frame.height, 2);
  EXPECT_EQ(infer->frame.width, 1);
  EXPECT_EQ(infer->frame.bytes, "abcdef");
}

TEST(TakeInfer, MistakesAreNamed) {
  const auto expect = [](inference::ModelInferRequest request, const char* message) {
    EXPECT_THAT(TakeInfer(&request), FailsWith(absl::StatusCode::kInvalidArgument, message));
  };
  expect({}, "one input, 'frame'");
  expect(Request("FP32", {1}, ""), "BYTES or UINT8");
  expect(Request("BYTES", {2}, Packed("a")), "[2]");
  expect(Request("BYTES", {1}, "ab"), "sizes differ");
  expect(Request("BYTES", {1}, Packed("ab").substr(0, 5)), "sizes differ");
  expect(Request("UINT8", {2, 2}, "abcd"), "[H, W, 3]");
  inference::ModelInferRequest request = Request("BYTES", {1}, Packed("a"));
  request.add_raw_input_contents("b");
  expect(request, "2 raw_input_contents");
  request = Request("BYTES", {1}, Packed("a"));
  request.add_outputs()->set_name("boxes");
  expect(request, "no output 'boxes'");
}

TEST(TakeInfer, SequenceIdsAreNumbersOrTexts) {
  const auto sequence = [](const std::function<void(inference::InferParameter*)>& set) {
    inference::ModelInferRequest request = Request("BYTES", {1}, Packed("a"));
    set(&(*request.mutable_parameters())["sequence_id"]);
    (*request.mutable_parameters())["sequence_start"].set_bool_param(true);
    const auto infer = TakeInfer(&request);
    EXPECT_TRUE(infer->sequence_start);
    return infer->sequence;
  };
  EXPECT_EQ(sequence([](auto* id) { id->set_int64_param(7); }), "7");
  EXPECT_EQ(sequence([](auto* id) { id->set_uint64_param(7); }), "7");
  EXPECT_EQ(sequence([](auto* id) { id->set_string_param("door"); }), "door");
  EXPECT_EQ(sequence([](auto* id) { id->set_int64_param(0); }), "");
}

TEST(FillInferResponse, GivesTheTensorsAskedFor) {
  ModelInfo info;
  info.name = "m";
  info.num_slots = 2;
  info.slot_dim = 1;
  FrameSegmentation frame;
  frame.mask_width = 3;
  frame.mask_height = 1;
  frame.mask = std::string("\0\1\1", 3);
  frame.vectors = {0.5f, 2};
  frame.ids = {5, 0};
  KServeOutputs wanted;
  wanted.masks = wanted.slot_ids = true;
  inference::ModelInferResponse response;
  FillInferResponse(frame, info, wanted, "id", &response);
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.id(), "id");
  EXPECT_EQ(response.outputs(0).name(), "masks");
  EXPECT_THAT(response.outputs(0).shape(), testing::ElementsAre(1, 3));
  EXPECT_EQ(response.raw_output_contents(0), frame.mask);
  EXPECT_EQ(response.outputs(1).name(), "slot_ids");
  EXPECT_EQ(response.raw_output_contents(1), std::string("\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
}

}  // namespace
}  // namespace slotmatch
