#include "core/weights/torch_legacy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/status_matchers.h"
#include "tests/unit/weights/torch_bytes.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

class TorchLegacyTest : public testing::Test {
 protected:
  absl::Status Read(const std::string& file) {
    file_ = file;
    contents_ = ArchiveContents();
    const auto bytes = absl::MakeSpan(reinterpret_cast<const uint8_t*>(file_.data()), file_.size());
    if (!IsTorchLegacy(bytes)) return absl::NotFoundError("another format");
    return ReadTorchLegacy(bytes, &contents_);
  }
  // A tensor over floats 0, 1, 2 under key "7".
  static std::string OneTensor(const std::string& storage) {
    return Pickle(PickledDict({{"t", PickledTensor(storage, 0, {2}, {1})}}));
  }
  static std::string OneTensor() { return OneTensor(PickledStorage("FloatStorage", "7", 3)); }
  const LegacyStorage three_{"7", 3, Floats({0, 1, 2})};
  std::string file_;
  ArchiveContents contents_;
};

TEST_F(TorchLegacyTest, ReadsTensors) {
  ASSERT_THAT(Read(TorchLegacy(OneTensor(), {three_})), IsOk());
  float values[2];
  ASSERT_EQ(contents_.tensors.at("t").bytes.size(), sizeof(values));
  std::memcpy(values, contents_.tensors.at("t").bytes.data(), sizeof(values));
  EXPECT_THAT(values, ElementsAre(0, 1));
}

TEST_F(TorchLegacyTest, ReadsViewsOfAStorage) {
  const auto storage = [](int64_t offset, int64_t count) {
    const std::string view =
        PickledTuple({PickledText("v"), PickledInt(offset), PickledInt(count)});
    return PickledTuple({PickledText("storage"), "ctorch\nFloatStorage\n", PickledText("7"),
                         PickledText("cpu"), PickledInt(3), view}) +
           "Q";
  };
  ASSERT_THAT(Read(TorchLegacy(OneTensor(storage(1, 2)), {three_})), IsOk());
  float first = 0;
  std::memcpy(&first, contents_.tensors.at("t").bytes.data(), sizeof(first));
  EXPECT_EQ(first, 1);
  EXPECT_THAT(Read(TorchLegacy(OneTensor(storage(2, 1)), {three_})),
              FailsWith(StatusCode::kDataLoss, "leaves its storage '7' of 1 elements"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(storage(2, 2)), {three_})),
              FailsWith(StatusCode::kDataLoss, "storage is not described"));
}

TEST_F(TorchLegacyTest, HeadMustBeKnown) {
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {three_}, 1000)),
              FailsWith(StatusCode::kDataLoss, "protocol version is not 1001"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {three_}, 1001, false)),
              FailsWith(StatusCode::kDataLoss, "not little-endian"));
  EXPECT_EQ(Read(OneTensor()).code(), StatusCode::kNotFound);
}

TEST_F(TorchLegacyTest, StoragesMustFitThePickle) {
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {})),
              FailsWith(StatusCode::kDataLoss, "tensor 't': storage '7' is missing"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {{"7", 2, Floats({0, 1})}})),
              FailsWith(StatusCode::kDataLoss, "storage '7' has another number of elements"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {{"8", 3, three_.bytes}})),
              FailsWith(StatusCode::kDataLoss, "not used by any tensor"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {{"7", 3, "1234"}})),
              FailsWith(StatusCode::kDataLoss, "storage '7' is cut"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {three_, three_})),
              FailsWith(StatusCode::kDataLoss, "storage '7' stands in the file twice"));
  EXPECT_THAT(Read(TorchLegacy(OneTensor(), {three_}) + "x"),
              FailsWith(StatusCode::kDataLoss, "1 bytes after the last storage"));
  const std::string two_sizes = Pickle(
      PickledDict({{"a", PickledTensor(PickledStorage("FloatStorage", "7", 3), 0, {1}, {1})},
                   {"b", PickledTensor(PickledStorage("FloatStorage", "7", 300), 0, {1}, {1})}}));
  EXPECT_THAT(Read(TorchLegacy(two_sizes, {three_})),
              FailsWith(StatusCode::kDataLoss, "storage '7' is described with two sizes"));
}

TEST_F(TorchLegacyTest, EveryTruncationAndDamagedByteIsHandled) {
  const std::string file = TorchLegacy(OneTensor(), {three_});
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(Read(file.substr(0, size)).ok()) << size;
  }
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    const absl::Status status = Read(damaged);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDataLoss ||
                status.code() == StatusCode::kNotFound)
        << i;
  }
}

}  // namespace
}  // namespace slotmatch
