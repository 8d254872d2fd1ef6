// Many streams, many encodings, one answer: what a result holds does not depend on who else is
// served, how pixels were sent or how masks come back.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <thread>

#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

constexpr double kSlotTolerance = 1e-4;
constexpr double kMaskAgreement = 0.999;

class Streams : public ServedTest {
 protected:
  static void SetUpTestSuite() {
    StartShared("streams", {kStudent});
    stub_ = ConnectStub(server_->address());
    frames_ = VideoFrames(kSampleVideo, 6);
    ASSERT_EQ(frames_.size(), 6u);
  }

  // The first `count` frames through one stream, each made by `request`.
  template <typename F>
  static std::vector<v1::FrameResult> Run(const v1::SegmentRequest& config, int count, F request) {
    std::vector<v1::SegmentRequest> requests = {config};
    for (int i = 0; i < count; ++i) requests.push_back(request(i + 1, frames_[i]));
    const StreamEnd end = RunStream(stub_.get(), requests);
    EXPECT_TRUE(end.status.ok()) << end.status.error_message();
    EXPECT_TRUE(end.opened.has_value());
    std::vector<v1::FrameResult> results;
    for (const v1::SegmentResponse& answer : end.answers) {
      EXPECT_TRUE(answer.has_result()) << answer.error().message();
      results.push_back(answer.result());
    }
    EXPECT_EQ(results.size(), static_cast<size_t>(count));
    results.resize(count);
    return results;
  }

  static v1::SegmentRequest AsPng(uint64_t id, const cv::Mat& bgr) {
    return EncodedRequest(id, Encoded(bgr, ".png"));
  }

  inline static std::unique_ptr<Stub> stub_;
  inline static std::vector<cv::Mat> frames_;
};

void ExpectClose(const v1::FrameResult& a, const v1::FrameResult& b) {
  EXPECT_GE(Agreement(MapOf(a.mask()), MapOf(b.mask())), kMaskAgreement);
  const std::vector<float> slots_a = VectorsOf(a, v1::SLOT_ENCODING_F32);
  const std::vector<float> slots_b = VectorsOf(b, v1::SLOT_ENCODING_F32);
  ASSERT_EQ(slots_a.size(), slots_b.size());
  ASSERT_FALSE(slots_a.empty());
  double farthest = 0;
  for (size_t i = 0; i < slots_a.size(); ++i) {
    farthest = std::max(farthest, std::abs(static_cast<double>(slots_a[i]) - slots_b[i]));
  }
  EXPECT_LE(farthest, kSlotTolerance);
}

TEST_F(Streams, FourAtOnceGiveWhatOneAloneGives) {
  const auto run = [] { return Run(ConfigRequest(), 6, AsPng); };
  const std::vector<v1::FrameResult> alone = run();
  std::vector<std::vector<v1::FrameResult>> together(4);
  std::vector<std::thread> threads;
  for (auto& results : together) threads.emplace_back([&] { results = run(); });
  for (std::thread& thread : threads) thread.join();
  uint32_t largest_batch = 0;
  for (const auto& results : together) {
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(results[i].frame_id(), i + 1);
      EXPECT_EQ(results[i].capture_time_us(), alone[i].capture_time_us());
      ExpectClose(results[i], alone[i]);
      largest_batch = std::max(largest_batch, results[i].timings().batch_size());
    }
  }
  EXPECT_GT(largest_batch, 1u) << "no two streams ever shared a batch";
}

TEST_F(Streams, HowPixelsAreSentDoesNotMatter) {
  const auto pixels = [](const cv::Mat& bgr) {  // of the JPEG: the same for all ways
    const std::string jpeg = Encoded(bgr, ".jpg");
    return cv::imdecode(std::vector<uint8_t>(jpeg.begin(), jpeg.end()), cv::IMREAD_COLOR);
  };
  const auto raw = [&](v1::PixelFormat format) {
    return Run(ConfigRequest(), 2, [&](uint64_t id, const cv::Mat& bgr) {
      return RawRequest(id, format, pixels(bgr));
    });
  };
  const auto jpeg = Run(ConfigRequest(), 2, [](uint64_t id, const cv::Mat& bgr) {
    return EncodedRequest(id, Encoded(bgr, ".jpg"));
  });
  const auto png = Run(ConfigRequest(), 2,
                       [&](uint64_t id, const cv::Mat& bgr) { return AsPng(id, pixels(bgr)); });
  const auto bgr = raw(v1::PIXEL_FORMAT_BGR8), rgb = raw(v1::PIXEL_FORMAT_RGB8);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(SameResult(png[i], jpeg[i])) << i;
    EXPECT_TRUE(SameResult(png[i], bgr[i])) << i;
    EXPECT_TRUE(SameResult(png[i], rgb[i])) << i;
  }
}

TEST_F(Streams, GrayRawIsGrayInAllChannels) {
  cv::Mat gray_bgr = frames_[0].clone();
  for (auto pixel = gray_bgr.begin<cv::Vec3b>(); pixel != gray_bgr.end<cv::Vec3b>(); ++pixel) {
    *pixel = cv::Vec3b::all((*pixel)[1]);
  }
  const auto png =
      Run(ConfigRequest(), 1, [&](uint64_t id, const cv::Mat&) { return AsPng(id, gray_bgr); });
  const auto gray = Run(ConfigRequest(), 1, [&](uint64_t id, const cv::Mat&) {
    return RawRequest(id, v1::PIXEL_FORMAT_GRAY8, gray_bgr);
  });
  EXPECT_TRUE(SameResult(png[0], gray[0]));
}

TEST_F(Streams, EveryMaskEncodingDecodesToTheSameMap) {
  for (const v1::MaskSize size : {v1::MASK_SIZE_SOURCE, v1::MASK_SIZE_GRID}) {
    const auto run = [&](v1::MaskEncoding encoding) {
      return Run(ConfigRequest("slotmatch", encoding, size), 2, AsPng);
    };
    const auto raw = run(v1::MASK_ENCODING_RAW_U8);
    for (const v1::MaskEncoding encoding :
         {v1::MASK_ENCODING_INDEX_RLE, v1::MASK_ENCODING_PNG, v1::MASK_ENCODING_UNSPECIFIED}) {
      const auto other = run(encoding);
      for (size_t i = 0; i < 2; ++i) {
        const LabelMap map = MapOf(raw[i].mask());
        EXPECT_EQ(map.width, size == v1::MASK_SIZE_GRID ? 16 : 640);
        EXPECT_EQ(map.height, size == v1::MASK_SIZE_GRID ? 16 : 360);
        EXPECT_EQ(MapOf(other[i].mask()).labels, map.labels) << encoding << " " << i;
      }
    }
  }
}

TEST_F(Streams, WithoutMasksTheSlotsAreTheSame) {
  const auto with = Run(ConfigRequest("slotmatch", v1::MASK_ENCODING_PNG), 2, AsPng);
  const auto without = Run(ConfigRequest("slotmatch", v1::MASK_ENCODING_NONE), 2, AsPng);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_FALSE(without[i].has_mask());
    v1::FrameResult slots_only = with[i];
    slots_only.clear_mask();
    EXPECT_TRUE(SameResult(slots_only, without[i]));
  }
}

TEST_F(Streams, SlotVectorsComeAsAskedFor) {
  const auto run = [](v1::SlotEncoding encoding) {
    const auto config =
        ConfigRequest("slotmatch", v1::MASK_ENCODING_NONE, v1::MASK_SIZE_SOURCE, encoding);
    return Run(config, 1, AsPng)[0];
  };
  const std::vector<float> f32 = VectorsOf(run(v1::SLOT_ENCODING_F32), v1::SLOT_ENCODING_F32);
  const std::vector<float> f16 = VectorsOf(run(v1::SLOT_ENCODING_F16), v1::SLOT_ENCODING_F16);
  ASSERT_EQ(f32.size(), 11u * 64u);
  ASSERT_EQ(f16.size(), f32.size());
  for (size_t i = 0; i < f32.size(); ++i) {
    EXPECT_NEAR(f16[i], f32[i], 1e-3 * std::max(1.0f, std::abs(f32[i])));
  }
  const v1::FrameResult none = run(v1::SLOT_ENCODING_NONE);
  ASSERT_EQ(none.slots_size(), 11);
  for (const v1::Slot& slot : none.slots()) EXPECT_EQ(slot.vector(), "");
}

// What a slot record says about its mask, counted from the mask.
void ExpectConsistent(const v1::Slot& slot, const LabelMap& map) {
  int64_t area = 0;
  int left = map.width, top = map.height, right = -1, bottom = -1;
  for (int y = 0; y < map.height; ++y) {
    for (int x = 0; x < map.width; ++x) {
      if (map.labels[static_cast<size_t>(y) * map.width + x] != slot.index()) continue;
      ++area;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = std::max(bottom, y);
    }
  }
  EXPECT_NEAR(slot.area_ratio(), static_cast<double>(area) / static_cast<double>(map.labels.size()),
              1e-12);
  EXPECT_EQ(slot.has_box(), area > 0);
  EXPECT_GE(slot.confidence(), 0);
  EXPECT_LE(slot.confidence(), 1);
  EXPECT_EQ(slot.confidence() > 0, area > 0);
  if (area == 0) return;
  EXPECT_EQ(slot.box().left(), static_cast<uint32_t>(left));
  EXPECT_EQ(slot.box().top(), static_cast<uint32_t>(top));
  EXPECT_EQ(slot.box().width(), static_cast<uint32_t>(right - left + 1));
  EXPECT_EQ(slot.box().height(), static_cast<uint32_t>(bottom - top + 1));
}

TEST_F(Streams, SlotRecordsAgreeWithTheMask) {
  for (const v1::FrameResult& result : Run(ConfigRequest(), 3, AsPng)) {
    EXPECT_EQ(result.source_width(), 640u);
    EXPECT_EQ(result.source_height(), 360u);
    ASSERT_EQ(result.slots_size(), 11);
    const LabelMap map = MapOf(result.mask());
    double covered = 0;
    for (int k = 0; k < result.slots_size(); ++k) {
      EXPECT_EQ(result.slots(k).index(), static_cast<uint32_t>(k));
      ExpectConsistent(result.slots(k), map);
      covered += result.slots(k).area_ratio();
    }
    EXPECT_NEAR(covered, 1, 1e-9);
    EXPECT_GT(result.timings().total_ms(), 0);
  }
}

TEST_F(Streams, TheServerTellsWhatItServes) {
  grpc::ClientContext list_context, info_context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub_->ListModels(&list_context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.default_model(), "slotmatch");
  EXPECT_EQ(models.models(0).num_slots(), 11u);
  EXPECT_EQ(models.models(0).digest().size(), 64u);
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(stub_->GetServerInfo(&info_context, {}, &info).ok());
  EXPECT_EQ(info.limits().max_message_bytes(), 16777216u);
  EXPECT_EQ(info.mask_encodings_size(), v1::MaskEncoding_ARRAYSIZE - 1);  // all but UNSPECIFIED
  EXPECT_EQ(info.slot_encodings_size(), v1::SlotEncoding_ARRAYSIZE - 1);
}

}  // namespace
}  // namespace slotmatch
