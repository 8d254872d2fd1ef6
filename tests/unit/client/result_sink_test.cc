#include "client/result_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/files.h"
#include "core/image/mask_codec.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kWidth = 32, kHeight = 16;

class ResultSinkTest : public testing::Test {
 protected:
  std::unique_ptr<ResultSink> Open(bool write = true, bool masks = true) {
    SinkOptions options;
    options.folder = write ? dir_.File("out") : "";
    options.masks = masks;
    v1::SessionOpened opened;
    opened.set_session_id("1-abc");
    opened.mutable_model()->set_name("tiny");
    opened.mutable_model()->set_num_slots(3);
    opened.mutable_model()->set_slot_dim(2);
    auto sink = ResultSink::Open(options, opened);
    EXPECT_THAT(sink, IsOk());
    return sink.ok() ? *std::move(sink) : nullptr;
  }
  std::string Out(const std::string& name) const {
    return ReadFile(dir_.File("out/" + name)).value_or("");
  }
  std::vector<json> Lines() const {
    std::vector<json> lines;
    std::istringstream text(Out("slots.jsonl"));
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
    return lines;
  }

  const TempDir dir_;
  const cv::Mat frame_ = cv::Mat(kHeight, kWidth, CV_8UC3, cv::Scalar(50, 60, 70));
};

// Left half slot 0 with ID 3, right half slot 1 with ID 8; slot 2 is empty.
v1::SegmentResponse Result(uint64_t frame_id) {
  v1::SegmentResponse response;
  v1::FrameResult* result = response.mutable_result();
  result->set_frame_id(frame_id);
  result->set_source_width(kWidth);
  result->set_source_height(kHeight);
  LabelMap map{kWidth, kHeight, {}};
  for (int i = 0; i < kWidth * kHeight; ++i) map.labels.push_back(i % kWidth >= kWidth / 2);
  result->mutable_mask()->set_encoding(v1::MASK_ENCODING_INDEX_RLE);
  result->mutable_mask()->set_width(kWidth);
  result->mutable_mask()->set_height(kHeight);
  result->mutable_mask()->set_data(EncodeIndexRle(map));
  const uint64_t ids[] = {3, 8, 9};
  for (uint32_t k = 0; k < 3; ++k) {
    v1::Slot* slot = result->add_slots();
    slot->set_index(k);
    slot->set_temporal_id(ids[k]);
    const float vector[] = {static_cast<float>(k), 0.5f};
    slot->set_vector(vector, sizeof(vector));
    if (k == 2) continue;
    slot->set_area_ratio(0.5);
    slot->mutable_box()->set_left(k * kWidth / 2);
    slot->mutable_box()->set_width(kWidth / 2);
    slot->mutable_box()->set_height(kHeight);
  }
  result->mutable_timings()->set_total_ms(4);
  return response;
}

v1::SegmentResponse Error(uint64_t frame_id) {
  v1::SegmentResponse response;
  response.mutable_error()->set_frame_id(frame_id);
  response.mutable_error()->set_code(3);
  response.mutable_error()->set_message("no picture");
  return response;
}

TEST_F(ResultSinkTest, WritesLinesMasksVideoAndSummary) {
  const auto sink = Open();
  for (uint64_t i = 0; i < 3; ++i) ASSERT_THAT(sink->Add(frame_, Result(10 + i)), IsOk());
  const auto summary = sink->Close("in.mp4", 2.0, absl::OkStatus());
  ASSERT_THAT(summary, IsOk());
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[2].at("frame"), 2);
  EXPECT_EQ(lines[2].at("frame_id"), 12);
  ASSERT_EQ(lines[2].at("slots").size(), 3u);
  EXPECT_EQ(lines[2].at("slots")[1].at("id"), 8);
  EXPECT_EQ(lines[2].at("slots")[1].at("box"), json({16, 0, 16, 16}));
  EXPECT_EQ(lines[2].at("slots")[1].at("vector"), json({1.0, 0.5}));
  EXPECT_FALSE(lines[2].at("slots")[2].contains("box"));
  const auto map = DecodePalettePng(Out("masks/00002.png"));
  ASSERT_THAT(map, IsOk());
  EXPECT_EQ(EncodeIndexRle(*map), Result(0).result().mask().data());
  EXPECT_GT(Out("overlay.mp4").size(), 100u);
  EXPECT_GT(Out("slots.safetensors").size(), 1024u + 3 * 3 * 2 * sizeof(float));
  EXPECT_EQ(json::parse(Out("summary.json")), *summary);
  EXPECT_EQ(summary->at("frames"), 3);
  EXPECT_EQ(summary->at("frames_per_second"), 1.5);
  EXPECT_EQ(summary->at("source"), "in.mp4");
  EXPECT_EQ(summary->at("model").at("name"), "tiny");
  EXPECT_EQ(summary->at("server_latency_ms").at("p50"), 4);
  EXPECT_EQ(summary->at("status"), "OK");
  EXPECT_FALSE(summary->contains("error"));
}

TEST_F(ResultSinkTest, TracksTheIdsThatAreSeen) {
  const auto sink = Open(false);
  for (uint64_t i = 0; i < 20; ++i) {
    v1::SegmentResponse response = Result(i);
    if (i == 4)
      response.mutable_result()->mutable_slots(2)->set_area_ratio(0.1);  // once: no object
    if (i > 9) response.mutable_result()->mutable_slots(1)->set_area_ratio(0.001);
    ASSERT_THAT(sink->Add(frame_, response), IsOk());
  }
  const json summary = sink->Close("x", 1, absl::OkStatus()).value();
  EXPECT_EQ(summary.at("objects_tracked"), 2);
  ASSERT_EQ(summary.at("objects").size(), 2u);
  EXPECT_EQ(summary.at("objects")[0].at("id"), 3);
  EXPECT_EQ(summary.at("objects")[0].at("frames"), 20);
  EXPECT_EQ(summary.at("objects")[1].at("id"), 8);
  EXPECT_EQ(summary.at("objects")[1].at("last_frame"), 9);
  EXPECT_EQ(summary.at("objects")[1].at("mean_area_ratio"), 0.5);
}

TEST_F(ResultSinkTest, FrameErrorsAreLinesAndCounted) {
  const auto sink = Open();
  ASSERT_THAT(sink->Add(frame_, Error(1)), IsOk());
  ASSERT_THAT(sink->Add(frame_, Result(2)), IsOk());
  const json summary = sink->Close("x", 1, absl::OkStatus()).value();
  EXPECT_EQ(Lines()[0].at("error").at("message"), "no picture");
  EXPECT_EQ(summary.at("frames"), 1);
  EXPECT_EQ(summary.at("frames_failed"), 1);
  EXPECT_EQ(summary.at("first_frame_error"), "no picture");
  EXPECT_FALSE(fs::exists(dir_.File("out/masks/00000.png")));
  EXPECT_TRUE(fs::exists(dir_.File("out/masks/00001.png")));
}

TEST_F(ResultSinkTest, LinesAreThereWhileResultsComeIn) {
  const auto sink = Open();
  ASSERT_THAT(sink->Add(frame_, Result(1)), IsOk());
  EXPECT_EQ(Lines().size(), 1u);
}

TEST_F(ResultSinkTest, StreamThatFailedLeavesItsStatusInTheSummary) {
  const auto sink = Open();
  ASSERT_THAT(sink->Add(frame_, Result(1)), IsOk());
  const json summary = sink->Close("x", 1, absl::UnavailableError("gone")).value();
  EXPECT_EQ(summary.at("status"), "UNAVAILABLE");
  EXPECT_EQ(summary.at("error"), "gone");
}

TEST_F(ResultSinkTest, WithoutAFolderNothingIsWritten) {
  const auto sink = Open(false);
  ASSERT_THAT(sink->Add(frame_, Result(1)), IsOk());
  ASSERT_THAT(sink->Close("x", 1, absl::OkStatus()), IsOk());
  EXPECT_TRUE(fs::is_empty(dir_.path()));
}

TEST_F(ResultSinkTest, WithoutMasksOnlyTextIsWritten) {
  const auto sink = Open(true, false);
  v1::SegmentResponse response = Result(1);
  response.mutable_result()->clear_mask();
  ASSERT_THAT(sink->Add(frame_, response), IsOk());
  ASSERT_THAT(sink->Close("x", 1, absl::OkStatus()), IsOk());
  EXPECT_FALSE(fs::exists(dir_.File("out/overlay.mp4")));
  EXPECT_EQ(Lines().size(), 1u);
}

TEST_F(ResultSinkTest, MasksOfAnEarlierRunAreRemoved) {
  dir_.Write("out/masks/00009.png", "old");
  Open();
  EXPECT_FALSE(fs::exists(dir_.File("out/masks/00009.png")));
}

TEST_F(ResultSinkTest, FolderThatCannotBeMadeIsReported) {
  dir_.Write("file", "x");
  SinkOptions options;
  options.folder = dir_.File("file/out");
  EXPECT_THAT(ResultSink::Open(options, {}),
              FailsWith(absl::StatusCode::kAlreadyExists, "file/out"));
}

TEST_F(ResultSinkTest, GridMasksGrowToThePicture) {
  const auto sink = Open();
  v1::SegmentResponse response = Result(1);
  v1::Mask* mask = response.mutable_result()->mutable_mask();
  mask->set_width(2);
  mask->set_height(1);
  mask->set_data(EncodeIndexRle({2, 1, {0, 1}}));
  ASSERT_THAT(sink->Add(frame_, response), IsOk());
  EXPECT_EQ(EncodeIndexRle(*DecodePalettePng(Out("masks/00000.png"))),
            Result(1).result().mask().data());
}

TEST_F(ResultSinkTest, AnswersThatDoNotFitThePictureAreDataLoss) {
  const auto sink = Open();
  v1::SegmentResponse other_size = Result(1), cut = Result(2), empty = Result(3);
  other_size.mutable_result()->set_source_width(4000);
  cut.mutable_result()->mutable_mask()->mutable_data()->pop_back();
  empty.mutable_result()->clear_mask();
  EXPECT_THAT(sink->Add(frame_, other_size), FailsWith(absl::StatusCode::kDataLoss, "4000x16"));
  EXPECT_EQ(sink->Add(frame_, cut).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(sink->Add(frame_, empty).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace slotmatch
