#include "core/weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "core/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;

constexpr StatusCode kLoss = StatusCode::kDataLoss;

// Header length, header and data: a file as the format lays it out.
std::string Archive(const std::string& header, const std::string& data = "") {
  const uint64_t size = header.size();
  std::string bytes(reinterpret_cast<const char*>(&size), 8);
  return bytes + header + data;
}

class SafetensorsTest : public testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const SafetensorsFile>> OpenBytes(const std::string& bytes) {
    return SafetensorsFile::Open(dir_.Write("x.safetensors", bytes));
  }
  void ExpectRefused(const std::string& header, const std::string& data, const char* why) {
    EXPECT_THAT(OpenBytes(Archive(header, data)),
                AllOf(FailsWith(kLoss, "x.safetensors"), FailsWith(kLoss, why)))
        << header;
  }
  const TempDir dir_;
};

TEST_F(SafetensorsTest, ReadsWhatTheFormatDescribes) {
  const auto file = OpenBytes(
      Archive(R"({"__metadata__":{"a":"b"},"m":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]},)"
              R"("u":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}   )",
              std::string("\x07\0\0\x80\x3f\0\0\0\xc0", 9)));
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->metadata(), ElementsAre(testing::Pair("a", "b")));
  const TensorView* m = (*file)->Find("m");
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->dtype, DType::kF32);
  EXPECT_THAT(m->shape, ElementsAre(1, 2));
  float values[2];
  std::memcpy(values, m->bytes.data(), sizeof(values));
  EXPECT_THAT(values, ElementsAre(1.0f, -2.0f));
  EXPECT_EQ((*file)->Find("u")->num_elements(), 1);
  EXPECT_EQ((*file)->Find("u")->bytes[0], 7);
  EXPECT_EQ((*file)->Find("nothing"), nullptr);
}

TEST_F(SafetensorsTest, RoundTripsEveryType) {
  const std::pair<DType, const char*> rows[] = {
      {DType::kF64, "F64"}, {DType::kF32, "F32"}, {DType::kF16, "F16"}, {DType::kBF16, "BF16"},
      {DType::kI64, "I64"}, {DType::kI32, "I32"}, {DType::kU8, "U8"},   {DType::kBool, "BOOL"}};
  std::mt19937 random(1);
  std::map<std::string, std::vector<uint8_t>> bytes;
  std::map<std::string, TensorView> tensors;
  for (const auto& [dtype, name] : rows) {
    EXPECT_STREQ(DTypeName(dtype), name);
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{}, {0}, {5}, {2, 0, 3}, {3, 1, 2}}) {
      TensorView view{dtype, shape, {}};
      const std::string key = std::string(name) + std::to_string(shape.size()) + "." +
                              std::to_string(view.num_elements());
      auto& storage = bytes[key];
      storage.resize(view.num_elements() * ByteSize(dtype));
      for (uint8_t& byte : storage) byte = static_cast<uint8_t>(random());
      view.bytes = absl::MakeConstSpan(storage);
      tensors[key] = view;
    }
  }
  const std::string path = dir_.File("all.safetensors");
  ASSERT_THAT(WriteSafetensors(path, tensors, {{"license", "x \"y\""}}), IsOk());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->metadata().at("license"), "x \"y\"");
  ASSERT_EQ((*file)->tensors().size(), tensors.size());
  for (const auto& [key, view] : tensors) {
    const TensorView* read = (*file)->Find(key);
    ASSERT_NE(read, nullptr) << key;
    EXPECT_EQ(read->dtype, view.dtype);
    EXPECT_EQ(read->shape, view.shape);
    EXPECT_EQ(std::vector<uint8_t>(read->bytes.begin(), read->bytes.end()), bytes[key]) << key;
  }
}

TEST_F(SafetensorsTest, DataBeginsAtAMultipleOfEight) {
  const float value = 1;
  const auto* raw = reinterpret_cast<const uint8_t*>(&value);
  for (const std::string& key : {"a", "ab", "abc", "abcd"}) {
    const std::string path = dir_.File("aligned");
    ASSERT_THAT(WriteSafetensors(path, {{key, {DType::kF32, {1}, absl::MakeSpan(raw, 4)}}}),
                IsOk());
    EXPECT_EQ((ReadFile(path).value().size() - 4) % 8, 0u);
  }
}

TEST_F(SafetensorsTest, WritingBytesThatDoNotFitTheirShapeIsRefused) {
  const std::vector<uint8_t> bytes(7);
  EXPECT_FALSE(WriteSafetensors(dir_.File("x"), {{"a", {DType::kF32, {2}, bytes}}}).ok());
}

TEST_F(SafetensorsTest, MissingFileIsNotFound) {
  EXPECT_THAT(SafetensorsFile::Open(dir_.File("no")), FailsWith(StatusCode::kNotFound, "no"));
}

TEST_F(SafetensorsTest, ShortFilesAndFoldersAreDataLoss) {
  for (const size_t size : {0, 1, 7}) {
    EXPECT_THAT(OpenBytes(std::string(size, '\0')), FailsWith(kLoss, "too short"));
  }
  EXPECT_EQ(SafetensorsFile::Open(dir_.path()).status().code(), kLoss);
}

TEST_F(SafetensorsTest, HeaderLengthMustFitTheFile) {
  for (const uint64_t size :
       {uint64_t{3}, uint64_t{100'000'001}, uint64_t{1} << 62, ~uint64_t{0}}) {
    const std::string bytes = std::string(reinterpret_cast<const char*>(&size), 8) + "{}";
    EXPECT_THAT(OpenBytes(bytes), FailsWith(kLoss, "header length")) << size;
  }
}

TEST_F(SafetensorsTest, EveryTruncationIsDataLoss) {
  const std::string whole =
      Archive(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", std::string(8, 'x'));
  ASSERT_THAT(OpenBytes(whole), IsOk());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(OpenBytes(whole.substr(0, size)).status().code(), kLoss) << size;
  }
  EXPECT_THAT(OpenBytes(whole + "y"), FailsWith(kLoss, "1 bytes after"));
}

TEST_F(SafetensorsTest, HeaderMustBeASaneJsonObject) {
  ExpectRefused("", "", "JSON");
  ExpectRefused("[]", "", "JSON");
  ExpectRefused("{", "", "JSON");
  ExpectRefused("{} x", "", "JSON");
  ExpectRefused(std::string(2000, '['), "", "");
  std::string deep = R"({"a":)";
  for (int i = 0; i < 1000; ++i) deep += R"({"a":)";
  ExpectRefused(deep, "", "deep");
  ExpectRefused(R"({"a":1})", "", "'a'");
  ExpectRefused(R"({"a":"text"})", "", "'a'");
  ExpectRefused(R"({"__metadata__":{"a":1}})", "", "metadata");
  ExpectRefused(R"({"__metadata__":"text"})", "", "metadata");
}

TEST_F(SafetensorsTest, DuplicateKeysAreRefused) {
  ExpectRefused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                "xy", "duplicate key 'a'");
  ExpectRefused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x",
                "duplicate key 'dtype'");
}

TEST_F(SafetensorsTest, EntriesMustBeShortAndFlat) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "\"" + std::to_string(i) + "\":0,";
  ExpectRefused("{\"a\":{" + many + "\"x\":0}}", "", "tensor 'a': '8' is one member too many");
  ExpectRefused(R"({"__metadata__":{"a":{"b":"c"}}})", "", "metadata: 'a'");
  ExpectRefused(R"({"__metadata__":{"a":"","a":""}})", "", "duplicate key 'a'");
  ExpectRefused(R"({"__metadata__":{},"__metadata__":{}})", "", "duplicate key '__metadata__'");
}

TEST_F(SafetensorsTest, TypesMustBeKnown) {
  ExpectRefused(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", "x", "F8_E4M3");
  ExpectRefused(R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", "xxxx", "f32");
  ExpectRefused(R"({"a":{"dtype":5,"shape":[1],"data_offsets":[0,1]}})", "x", "dtype");
  ExpectRefused(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", "x", "dtype");
}

TEST_F(SafetensorsTest, ShapesMustBeListsOfSizes) {
  for (const char* shape : {"[-1]", "[1.0]", "[\"1\"]", "1", "null", "{}", "[[1]]", "[1e3]",
                            "[281474976710657]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"}) {
    ExpectRefused(
        std::string(R"({"a":{"dtype":"U8","shape":)") + shape + R"(,"data_offsets":[0,1]}})", "x",
        "shape");
  }
  ExpectRefused(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", "x", "shape");
}

TEST_F(SafetensorsTest, SizesThatOverflowAreRefused) {
  // 2^48 * 2^48 and a product that is 0 modulo 2^64.
  ExpectRefused(R"({"a":{"dtype":"F32","shape":[281474976710656,281474976710656],)"
                R"("data_offsets":[0,4]}})",
                "xxxx", "memory");
  ExpectRefused(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "",
                "memory");
}

TEST_F(SafetensorsTest, OffsetsMustBeTwoPositionsInTheData) {
  for (const char* offsets : {"[0,9]", "[4,0]", "[0,18446744073709551615]", "[8,12]", "[0,3]"}) {
    ExpectRefused(
        std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)") + offsets + "}}",
        "xxxxxxxx", "do not fit");
  }
  for (const char* offsets : {"[0]", "[0,4,8]", "[-4,0]", "[0.0,4.0]", "\"0,4\"", "{}"}) {
    ExpectRefused(
        std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)") + offsets + "}}",
        "xxxxxxxx", "data_offsets");
  }
  ExpectRefused(R"({"a":{"dtype":"F32","shape":[1]}})", "xxxx", "data_offsets");
}

TEST_F(SafetensorsTest, TensorsMayNeitherOverlapNorLeaveGaps) {
  const auto two = [](const char* a, const char* b) {
    return std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  EXPECT_THAT(OpenBytes(Archive(two("[4,8]", "[0,4]"), "xxxxyyyy")), IsOk());
  ExpectRefused(two("[0,4]", "[2,6]"), "xxxxyy", "overlap");
  ExpectRefused(two("[0,4]", "[0,4]"), "xxxx", "overlap");
  ExpectRefused(two("[0,4]", "[6,10]"), "xxxxyyyyzz", "gap");
  ExpectRefused(two("[1,5]", "[5,9]"), "xxxxyyyyz", "gap");
}

TEST_F(SafetensorsTest, DamagedBytesNeverCrash) {
  const std::string whole =
      Archive(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
              R"("b":{"dtype":"I64","shape":[1,1],"data_offsets":[8,16]}})",
              std::string(16, 'x'));
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 2; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    const auto file = OpenBytes(damaged);
    if (!file.ok()) {
      ASSERT_EQ(file.status().code(), kLoss);
      continue;
    }
    uint64_t sum = 0;
    for (const auto& [key, view] : (*file)->tensors()) {
      ASSERT_EQ(view.bytes.size(), ByteSize(view.dtype) * view.num_elements());
      for (const uint8_t byte : view.bytes) sum += byte;
    }
    ASSERT_LT(sum, uint64_t{16} * 256);
  }
}

}  // namespace
}  // namespace slotmatch
