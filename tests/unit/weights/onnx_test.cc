#include "core/weights/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/status_matchers.h"
#include "tests/unit/weights/torch_bytes.h"
#include "tests/unit/weights/wire_fields.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

std::string Tensor(const std::string& name, uint64_t type, const std::vector<uint64_t>& dims,
                   int field, const std::string& data) {
  std::string tensor;
  for (const uint64_t side : dims) tensor += Number(1, side);
  return tensor + Number(2, type) + Field(8, name) + Field(field, data);
}
// A model whose graph has these initializers and a node.
std::string Model(const std::vector<std::string>& initializers) {
  std::string graph = Field(1, Field(4, "Identity")) + Field(2, "graph");
  for (const std::string& tensor : initializers) graph += Field(5, tensor);
  return Number(1, 8) + Field(2, "producer") + Field(7, graph) + Field(8, Number(2, 17)) +
         Field(14, Field(1, "key") + Field(2, "value"));
}

class OnnxTest : public testing::Test {
 protected:
  absl::Status Read(const std::string& file) {
    file_ = file;
    contents_ = ArchiveContents();
    return ReadOnnx(absl::MakeSpan(reinterpret_cast<const uint8_t*>(file_.data()), file_.size()),
                    &contents_);
  }
  template <typename T>
  std::vector<T> Values(const std::string& name) const {
    const TensorView& view = contents_.tensors.at(name);
    std::vector<T> values(view.bytes.size() / sizeof(T));
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }
  std::string file_;
  ArchiveContents contents_;
};

TEST_F(OnnxTest, ReadsRawAndTypedData) {
  ASSERT_THAT(Read(Model({Tensor("raw", 1, {2, 1}, 9, Floats({1, 2})),
                          Tensor("floats", 1, {2}, 4, Floats({3, 4})),
                          Tensor("half", 10, {2}, 5, Varint(0x3c00) + Varint(0xfc00)),
                          Tensor("long", 7, {2}, 7, Varint(5) + Varint(UINT64_MAX)),
                          Tensor("int", 6, {}, 5, Varint(static_cast<uint64_t>(int64_t{-3}))),
                          Tensor("flag", 9, {1}, 5, Varint(1)), Tensor("empty", 1, {0}, 9, "")})),
              IsOk());
  EXPECT_THAT(Values<float>("raw"), ElementsAre(1, 2));
  EXPECT_THAT(contents_.tensors.at("raw").shape, ElementsAre(2, 1));
  EXPECT_THAT(Values<float>("floats"), ElementsAre(3, 4));
  EXPECT_THAT(Values<uint16_t>("half"), ElementsAre(0x3c00, 0xfc00));
  EXPECT_EQ(contents_.tensors.at("half").dtype, DType::kF16);
  EXPECT_THAT(Values<int64_t>("long"), ElementsAre(5, -1));
  EXPECT_THAT(Values<int32_t>("int"), ElementsAre(-3));
  EXPECT_THAT(Values<uint8_t>("flag"), ElementsAre(1));
  EXPECT_EQ(contents_.tensors.at("empty").num_elements(), 0);
  EXPECT_THAT(contents_.metadata, ElementsAre(testing::Pair("key", "value")));
}

TEST_F(OnnxTest, ReadsPackedDims) {
  const std::string tensor =
      Field(1, Varint(1) + Varint(2)) + Number(2, 1) + Field(8, "w") + Field(9, Floats({1, 2}));
  ASSERT_THAT(Read(Model({tensor})), IsOk());
  EXPECT_THAT(contents_.tensors.at("w").shape, ElementsAre(1, 2));
}

TEST_F(OnnxTest, ExternalDataIsRefusedWithAWayOut) {
  const std::string location = Field(13, Field(1, "location") + Field(2, "w.bin"));
  const std::string tensor = Number(2, 1) + Field(8, "w") + location + Number(14, 1);
  EXPECT_THAT(Read(Model({tensor})),
              FailsWith(StatusCode::kDataLoss,
                        "initializer 'w': is kept in another file; save the model with its "
                        "weights inside"));
}

TEST_F(OnnxTest, DataMustFitTheShape) {
  const auto why = [&](const std::string& tensor, const char* text) {
    EXPECT_THAT(Read(Model({tensor})), FailsWith(StatusCode::kDataLoss, text));
  };
  why(Tensor("w", 1, {3}, 9, Floats({1, 2})), "initializer 'w': has 8 bytes of data");
  why(Tensor("w", 7, {3}, 7, Varint(1)), "initializer 'w': the data is shorter");
  why(Tensor("w", 7, {1}, 7, Varint(1) + Varint(2)), "initializer 'w': the data is longer");
  why(Tensor("w", 7, {2}, 7, "\x80\x80"), "initializer 'w': the data is shorter");
  why(Tensor("w", 1, {1ull << 40, 1ull << 40}, 9, ""), "larger than any memory");
  why(Tensor("w", 7, {1ull << 40}, 7, "1"), "shorter than its shape");
  why(Tensor("w", 1, {UINT64_MAX}, 9, ""), "shape holds -1");
  why(Tensor("w", 1, std::vector<uint64_t>(17, 1), 9, ""), "more than 16 axes");
  why(Tensor("w", 8, {1}, 6, "x"), "elements of ONNX type 8 are not read");
  why(Tensor("w", 1, {2}, 9, Floats({1})) + Field(9, Floats({2})), "in pieces");
  why(Tensor("", 1, {}, 9, Floats({1})), "has no name");
  why(Tensor("\xff", 1, {}, 9, Floats({1})), "UTF-8");
}

TEST_F(OnnxTest, NamesMustBeUnique) {
  const std::string tensor = Tensor("w", 1, {1}, 9, Floats({1}));
  EXPECT_THAT(Read(Model({tensor, tensor})),
              FailsWith(StatusCode::kDataLoss, "initializer 'w' stands in the file twice"));
}

TEST_F(OnnxTest, DamagedMessagesAreRefused) {
  EXPECT_THAT(Read(Number(1, 8)), FailsWith(StatusCode::kDataLoss, "no graph"));
  EXPECT_THAT(Read(Number(1, 8) + "\x3a\x7f"), FailsWith(StatusCode::kDataLoss, "damaged"));
  EXPECT_THAT(Read(Number(1, 8) + "\x3b"), FailsWith(StatusCode::kDataLoss, "damaged"));
  const std::string file = Model({Tensor("w", 1, {1}, 9, Floats({1}))});
  int refused = 0;
  for (size_t size = 0; size < file.size(); ++size)
    refused += Read(file.substr(0, size)).ok() ? 0 : 1;
  EXPECT_GT(refused, static_cast<int>(file.size()) / 2);  // some cuts fall between two fields
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    const absl::Status status = Read(damaged);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDataLoss) << i;
  }
}

}  // namespace
}  // namespace slotmatch
