#include "core/weights/torch_zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/status_matchers.h"
#include "tests/unit/weights/torch_bytes.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::IsEmpty;

const char kHugeSide[] = "shape is larger than any memory";

class TorchZipTest : public testing::Test {
 protected:
  absl::Status Read(const std::string& file) {
    file_ = file;
    contents_ = ArchiveContents();
    return ReadTorchZip(
        absl::MakeSpan(reinterpret_cast<const uint8_t*>(file_.data()), file_.size()), &contents_);
  }
  // Six floats 0 ... 5 under key "0", and a tensor of them.
  absl::Status ReadTensor(int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
    const std::string tensor = PickledTensor(Storage(), offset, shape, strides);
    return Read(TorchZip(Pickle(PickledDict({{"t", tensor}})), {{"0", SixFloats()}}));
  }
  static std::string Storage() { return PickledStorage("FloatStorage", "0", 6); }
  static std::string SixFloats() { return Floats({0, 1, 2, 3, 4, 5}); }
  std::vector<float> Values(const std::string& name) const {
    const TensorView& view = contents_.tensors.at(name);
    std::vector<float> values(view.bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }
  std::string file_;
  ArchiveContents contents_;
};

TEST_F(TorchZipTest, RowMajorTensorsBorrowTheFile) {
  ASSERT_THAT(ReadTensor(1, {2, 2}, {2, 1}), IsOk());
  EXPECT_THAT(Values("t"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(contents_.owned, IsEmpty());
  const auto* bytes = reinterpret_cast<const char*>(contents_.tensors.at("t").bytes.data());
  EXPECT_GE(bytes, file_.data());
  EXPECT_LT(bytes, file_.data() + file_.size());
}

TEST_F(TorchZipTest, OtherStridesAreCopiedInRowMajorOrder) {
  ASSERT_THAT(ReadTensor(0, {3, 2}, {1, 3}), IsOk());
  EXPECT_THAT(Values("t"), ElementsAre(0, 3, 1, 4, 2, 5));
  ASSERT_THAT(ReadTensor(1, {2, 1, 2}, {3, 77, 1}), IsOk());
  EXPECT_THAT(Values("t"), ElementsAre(1, 2, 4, 5));
  ASSERT_THAT(ReadTensor(5, {4}, {0}), IsOk());
  EXPECT_THAT(Values("t"), ElementsAre(5, 5, 5, 5));
  ASSERT_THAT(ReadTensor(0, {1, 6}, {0, 1}), IsOk());  // strides of single rows do not matter
  EXPECT_THAT(contents_.owned, IsEmpty());
}

TEST_F(TorchZipTest, ScalarsAndEmptyTensors) {
  ASSERT_THAT(ReadTensor(3, {}, {}), IsOk());
  EXPECT_THAT(Values("t"), ElementsAre(3));
  ASSERT_THAT(ReadTensor(0, {0, 3}, {3, 1}), IsOk());
  EXPECT_THAT(contents_.tensors.at("t").shape, ElementsAre(0, 3));
  EXPECT_THAT(Values("t"), IsEmpty());
}

TEST_F(TorchZipTest, NamesAreThePathOfKeys) {
  const std::string tensor = PickledTensor(Storage(), 0, {6}, {1});
  const std::string deep = PickledDict({{"a.b", PickledList({PickledDict({{"c", tensor}}), "N"})},
                                        {"betas", PickledTuple({"\x88", PickledInt(2)})},
                                        {"name", PickledText("x")}});
  ASSERT_THAT(Read(TorchZip(Pickle(deep), {{"0", SixFloats()}})), IsOk());
  EXPECT_THAT(contents_.tensors, ElementsAre(testing::Key("a.b.0.c")));
  EXPECT_THAT(contents_.metadata,
              ElementsAre(testing::Pair("a.b.1", "null"), testing::Pair("betas", "[true,2]"),
                          testing::Pair("name", "x")));
  ASSERT_THAT(Read(TorchZip(Pickle(tensor), {{"0", SixFloats()}})), IsOk());
  EXPECT_THAT(contents_.tensors, ElementsAre(testing::Key("tensor")));
}

TEST_F(TorchZipTest, LongListsAreLeftOut) {
  const std::vector<std::string> numbers(5'000, PickledInt(7));
  ASSERT_THAT(Read(TorchZip(Pickle(PickledDict({{"long", PickledList(numbers)}, {"a", "N"}})), {})),
              IsOk());
  EXPECT_THAT(contents_.metadata, ElementsAre(testing::Key("a")));
}

TEST_F(TorchZipTest, ParametersAreTensors) {
  const std::string tensor = PickledTensor(Storage(), 0, {6}, {1});
  const std::string parameter =
      PickledCall("torch._utils", "_rebuild_parameter", {tensor, "\x88", "}"});
  ASSERT_THAT(Read(TorchZip(Pickle(PickledDict({{"p", parameter}})), {{"0", SixFloats()}})),
              IsOk());
  EXPECT_THAT(contents_.tensors.at("p").shape, ElementsAre(6));
}

TEST_F(TorchZipTest, EveryStorageType) {
  const std::pair<const char*, DType> types[] = {
      {"DoubleStorage", DType::kF64}, {"FloatStorage", DType::kF32},
      {"HalfStorage", DType::kF16},   {"BFloat16Storage", DType::kBF16},
      {"LongStorage", DType::kI64},   {"IntStorage", DType::kI32},
      {"ShortStorage", DType::kI16},  {"CharStorage", DType::kI8},
      {"ByteStorage", DType::kU8},    {"BoolStorage", DType::kBool}};
  for (const auto& [name, dtype] : types) {
    const std::string tensor = PickledTensor(PickledStorage(name, "0", 2), 0, {2}, {1});
    ASSERT_THAT(Read(TorchZip(Pickle(PickledDict({{"t", tensor}})),
                              {{"0", std::string(2 * ByteSize(dtype), 'x')}})),
                IsOk())
        << name;
    EXPECT_EQ(contents_.tensors.at("t").dtype, dtype) << name;
  }
  const std::string complex =
      PickledTensor(PickledStorage("ComplexFloatStorage", "0", 1), 0, {1}, {1});
  EXPECT_THAT(Read(TorchZip(Pickle(PickledDict({{"t", complex}})), {{"0", "12345678"}})),
              FailsWith(StatusCode::kDataLoss, "torch.ComplexFloatStorage are not read"));
}

TEST_F(TorchZipTest, ViewsMayNotLeaveTheirStorage) {
  const char why[] = "tensor 't': the view leaves its storage '0' of 6 elements";
  EXPECT_THAT(ReadTensor(0, {7}, {1}), FailsWith(StatusCode::kDataLoss, why));
  EXPECT_THAT(ReadTensor(6, {}, {}), FailsWith(StatusCode::kDataLoss, why));
  EXPECT_THAT(ReadTensor(0, {2, 3}, {4, 1}), FailsWith(StatusCode::kDataLoss, why));
  EXPECT_THAT(ReadTensor(INT64_MAX, {2}, {1}), FailsWith(StatusCode::kDataLoss, why));
  EXPECT_THAT(ReadTensor(0, {3}, {INT64_MAX}), FailsWith(StatusCode::kDataLoss, why));
  const int64_t huge = int64_t{1} << 40;
  EXPECT_THAT(ReadTensor(0, {huge, huge}, {0, 0}), FailsWith(StatusCode::kDataLoss, kHugeSide));
  EXPECT_THAT(ReadTensor(0, {0, huge, huge}, {0, 0, 0}),
              FailsWith(StatusCode::kDataLoss, kHugeSide));
  EXPECT_THAT(ReadTensor(-1, {1}, {1}), FailsWith(StatusCode::kDataLoss, "as torch.save does"));
  EXPECT_THAT(ReadTensor(0, {-1}, {1}), FailsWith(StatusCode::kDataLoss, "numbers from 0"));
  EXPECT_THAT(ReadTensor(0, {1}, {-1}), FailsWith(StatusCode::kDataLoss, "numbers from 0"));
  EXPECT_THAT(ReadTensor(0, {1}, {}), FailsWith(StatusCode::kDataLoss, "differ in length"));
  EXPECT_THAT(ReadTensor(0, std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1)),
              FailsWith(StatusCode::kDataLoss, "at most 16"));
}

TEST_F(TorchZipTest, CopiesAreBoundedByTheFile) {
  EXPECT_THAT(ReadTensor(0, {1 << 20}, {0}), FailsWith(StatusCode::kDataLoss, "bytes of memory"));
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 200; ++i) {
    many.emplace_back(std::to_string(i), PickledTensor(Storage(), 0, {10'000}, {0}));
  }
  EXPECT_THAT(Read(TorchZip(Pickle(PickledDict(many)), {{"0", SixFloats()}})),
              FailsWith(StatusCode::kDataLoss, "bytes of memory"));
}

TEST_F(TorchZipTest, StoragesMustBeThereAndFit) {
  const std::string pickle = Pickle(PickledDict({{"t", PickledTensor(Storage(), 0, {1}, {1})}}));
  EXPECT_THAT(Read(TorchZip(pickle, {})),
              FailsWith(StatusCode::kDataLoss, "tensor 't': entry 'model/data/0' is missing"));
  EXPECT_THAT(Read(TorchZip(pickle, {{"0", "1234"}})),
              FailsWith(StatusCode::kDataLoss, "tensor 't': storage '0' has 4 bytes"));
  EXPECT_THAT(Read(TorchZip(pickle, {{"0", SixFloats()}, {"0", SixFloats()}})),
              FailsWith(StatusCode::kDataLoss, "entry 'model/data/0' stands in the archive twice"));
}

TEST_F(TorchZipTest, OtherValuesInATensorsPlaceAreRefused) {
  const auto status = [&](const std::string& value) {
    return Read(TorchZip(Pickle(PickledDict({{"t", value}})), {{"0", SixFloats()}}));
  };
  const auto rebuild = [](const std::vector<std::string>& arguments) {
    return PickledCall("torch._utils", "_rebuild_tensor_v2", arguments);
  };
  for (const std::string& value :
       {rebuild({}), rebuild({Storage()}), rebuild({PickledInt(1), PickledInt(0), ")", ")"}),
        rebuild({PickledInt(1) + "Q", PickledInt(0), ")", ")"}),
        rebuild({PickledTuple({"N", "N", "N", "N", "N"}) + "Q", PickledInt(0), ")", ")"}),
        rebuild(
            {PickledStorage("FloatStorage", std::string(1000, '0'), 6), PickledInt(0), ")", ")"}),
        rebuild({PickledStorage("FloatStorage", "0", -1), PickledInt(0), ")", ")"}),
        rebuild({PickledStorage("FloatStorage", "0", INT64_MAX), PickledInt(0), ")", ")"}),
        PickledCall("torch._utils", "_rebuild_parameter", {PickledInt(1)})}) {
    EXPECT_THAT(status(value), FailsWith(StatusCode::kDataLoss, "tensor 't': "));
  }
  EXPECT_THAT(status(Storage()), FailsWith(StatusCode::kDataLoss, "outside of a tensor"));
}

TEST_F(TorchZipTest, UnknownGlobalsAreNamed) {
  const std::string pickle =
      Pickle(PickledDict({{"hyper_parameters", PickledCall("argparse", "Namespace", {})}}));
  EXPECT_THAT(
      Read(TorchZip(pickle, {})),
      AllOf(FailsWith(StatusCode::kDataLoss, "entry 'model/data.pkl': pickle: opcode GLOBAL"),
            FailsWith(StatusCode::kDataLoss, "'argparse.Namespace'; only tensors")));
}

TEST_F(TorchZipTest, NamesThatCollideOrAreNoTextAreRefused) {
  const std::string tensor = PickledTensor(Storage(), 0, {1}, {1});
  const auto status = [&](const std::string& value) {
    return Read(TorchZip(Pickle(value), {{"0", SixFloats()}}));
  };
  EXPECT_THAT(status(PickledDict({{"a", tensor}, {"a", tensor}})),
              FailsWith(StatusCode::kDataLoss, "tensor 'a': stands in the file twice"));
  EXPECT_THAT(status(PickledDict({{"a.b", "N"}, {"a", PickledDict({{"b", "N"}})}})),
              FailsWith(StatusCode::kDataLoss, "'a.b' stands in the file twice"));
  EXPECT_THAT(status(PickledDict({{"\xff", tensor}})), FailsWith(StatusCode::kDataLoss, "UTF-8"));
  EXPECT_THAT(status("})" + tensor + "s"), FailsWith(StatusCode::kDataLoss, "neither a text"));
}

TEST_F(TorchZipTest, ValuesThatContainThemselvesAreRefused) {
  const auto status = [&](const std::string& value) { return Read(TorchZip(Pickle(value), {})); };
  EXPECT_THAT(status("]q\1h\1a"), FailsWith(StatusCode::kDataLoss, "nested deeper"));
  EXPECT_THAT(status("}q\1" + PickledText("k") + "h\1s"),
              FailsWith(StatusCode::kDataLoss, "nested deeper"));
  std::string doubling = "]q\1";  // each list holds the one before twice
  for (int i = 0; i < 60; ++i) doubling += "](h\1h\1eq\1";
  EXPECT_THAT(status(doubling), FailsWith(StatusCode::kDataLoss, "bytes of memory"));
  std::string wide = "](" + std::string(30'000, 'N') + "eq\1](";
  for (int i = 0; i < 30'000; ++i) wide += "h\1";
  EXPECT_THAT(status(wide + "e"), FailsWith(StatusCode::kDataLoss, "bytes of memory"));
}

TEST_F(TorchZipTest, ArchivesMustBeStoredAndWhole) {
  const std::string pickle = Pickle("}");
  const auto status = [&](ZipEntry entry) { return Read(Zip({{"m/data.pkl", pickle}, entry})); };
  EXPECT_THAT(Read(Zip({{"m/data.pkl", pickle}})), IsOk());
  EXPECT_THAT(Read(Zip({{"a.npy", "x"}})), FailsWith(StatusCode::kDataLoss, "no data.pkl"));
  EXPECT_THAT(status({.name = "m/x", .bytes = "x", .method = 8}),
              FailsWith(StatusCode::kDataLoss, "entry 'm/x' is compressed"));
  EXPECT_THAT(status({.name = "m/x", .bytes = "x", .flags = 1}),
              FailsWith(StatusCode::kDataLoss, "entry 'm/x' is encrypted"));
  EXPECT_THAT(status({.name = "m/x", .bytes = "x", .crc = 1}),
              FailsWith(StatusCode::kDataLoss, "entry 'm/x' does not have its CRC-32"));
  EXPECT_THAT(status({.name = "m/x", .bytes = "x", .size = 0x7fffffff}),
              FailsWith(StatusCode::kDataLoss, "entry 'm/x' lies outside"));
  EXPECT_THAT(status({.name = "m/x", .bytes = "x", .header_offset = 0x7fffffff}),
              FailsWith(StatusCode::kDataLoss, "entry 'm/x' has a damaged header"));
  EXPECT_THAT(status({.name = "m/data.pkl", .bytes = pickle, .header_offset = 0}),
              FailsWith(StatusCode::kDataLoss, "overlaps"));
  EXPECT_THAT(Read(Zip({{"m/data.pkl", pickle}, {"m/byteorder", "big"}})),
              FailsWith(StatusCode::kDataLoss, "not little-endian"));
  EXPECT_THAT(Read(Zip({{"m/data.pkl", pickle}, {"m/byteorder", "little"}})), IsOk());
}

TEST_F(TorchZipTest, EveryTruncationAndDamagedByteIsHandled) {
  const std::string tensor = PickledTensor(Storage(), 0, {3, 2}, {1, 3});
  const std::string file = TorchZip(Pickle(PickledDict({{"t", tensor}})), {{"0", SixFloats()}});
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(Read(file.substr(0, size)).code(), StatusCode::kDataLoss) << size;
  }
  int refused = 0;
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    const absl::Status status = Read(damaged);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDataLoss) << i;
    refused += status.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, static_cast<int>(file.size()) / 2);
}

}  // namespace
}  // namespace slotmatch
