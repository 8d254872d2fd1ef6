#include "server/metrics/server_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/support/fake_segmenter.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ServerMetrics, EverySeriesStandsAtZeroBeforeAnythingHappens) {
  const ServerMetrics metrics;
  const std::string text = metrics.Text();
  for (const char* line :
       {"slotmatch_sessions_active 0\n", "slotmatch_sessions_opened_total 0\n",
        "slotmatch_frames_processed_total 0\n",
        "slotmatch_frames_received_total{codec=\"jpeg\"} 0\n",
        "slotmatch_frames_failed_total{reason=\"deadline\"} 0\n",
        "slotmatch_batch_executions_total 0\n", "slotmatch_draining 0\n",
        "slotmatch_frame_stage_duration_seconds_count{stage=\"write_wait\"} 0\n",
        "grpc_server_started_total{grpc_method=\"Segment\"", "grpc_code=\"ResourceExhausted\""}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  for (const std::string& reason : SessionEndReasons()) {
    EXPECT_THAT(text, HasSubstr("slotmatch_sessions_closed_total{reason=\"" + reason + "\"} 0\n"));
  }
}

TEST(ServerMetrics, CountsWhatHappens) {
  ServerMetrics metrics;
  metrics.SessionOpened();
  metrics.SessionOpened();
  metrics.SessionClosed("idle", absl::Seconds(3));
  metrics.FrameReceived("png", 100);
  metrics.FrameProcessed(absl::Milliseconds(3));
  metrics.ResultSent(40);
  metrics.FrameFailed("decode_error");
  metrics.BatchDone(3, absl::Milliseconds(500));
  metrics.SetDraining(true);
  EXPECT_EQ(metrics.sessions_active(), 1);
  const std::string text = metrics.Text();
  for (const char* line :
       {"slotmatch_sessions_active 1\n", "slotmatch_sessions_opened_total 2\n",
        "slotmatch_sessions_closed_total{reason=\"idle\"} 1\n",
        "slotmatch_frames_received_total{codec=\"png\"} 1\n",
        "slotmatch_received_bytes_total 100\n", "slotmatch_frames_processed_total 1\n",
        "slotmatch_sent_bytes_total 40\n",
        "slotmatch_frame_latency_seconds_bucket{le=\"0.0025\"} 0\n",
        "slotmatch_frame_latency_seconds_bucket{le=\"0.005\"} 1\n",
        "slotmatch_frames_failed_total{reason=\"decode_error\"} 1\n",
        "slotmatch_batch_size_bucket{le=\"2\"} 0\n", "slotmatch_batch_size_bucket{le=\"4\"} 1\n",
        "slotmatch_engine_busy_seconds_total 0.5\n", "slotmatch_draining 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ServerMetrics, ModelsInMemoryHaveSeriesAndOthersHaveNone) {
  ServerMetrics metrics;
  std::vector<ModelSample> models = {
      {"tiny", "1", std::string(64, 'a'), absl::Seconds(2), absl::Seconds(1), 3, true},
      {"tiny", "2", std::string(64, 'b'), absl::Seconds(4), absl::Seconds(1), 0, false}};
  metrics.SetModels([&] { return models; });
  const std::string text = metrics.Text();
  for (const char* line : {"slotmatch_model_load_seconds{model=\"tiny\",version=\"1\"} 2\n",
                           "slotmatch_warmup_seconds{model=\"tiny\",version=\"1\"} 1\n",
                           "slotmatch_model_sessions{model=\"tiny\",version=\"1\"} 3\n",
                           "slotmatch_model_retiring{model=\"tiny\",version=\"1\"} 1\n",
                           "slotmatch_model_retiring{model=\"tiny\",version=\"2\"} 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, HasSubstr("digest=\"" + std::string(64, 'b') + "\"} 1\n"));
  models.erase(models.begin());
  EXPECT_THAT(metrics.Text(), testing::Not(HasSubstr("version=\"1\"")));
}

TEST(ServerMetrics, FramesAreSeenByStageAndSlots) {
  ServerMetrics metrics;
  FrameTimings timings;
  const absl::Time t = absl::UnixEpoch();
  timings.times = {t,
                   t + absl::Milliseconds(1),
                   t + absl::Milliseconds(3),
                   t + absl::Milliseconds(7),
                   t + absl::Milliseconds(8),
                   t + absl::Milliseconds(9),
                   t + absl::Milliseconds(24),
                   t + absl::Milliseconds(56)};
  metrics.FrameStages(timings);
  metrics.SlotsSeen({2, 0.5, 0.25, 3, 1});
  metrics.OverCredit();
  const std::string text = metrics.Text();
  for (const char* line :
       {"slotmatch_frame_stage_duration_seconds_sum{stage=\"receive\"} 0.001",
        "slotmatch_frame_stage_duration_seconds_sum{stage=\"queue\"} 0.004",
        "slotmatch_frame_stage_duration_seconds_sum{stage=\"mask\"} 0.015",
        "slotmatch_frame_stage_duration_seconds_sum{stage=\"encode\"} 0.032",
        "slotmatch_frame_stage_duration_seconds_count{stage=\"batch\"} 1\n",
        "slotmatch_empty_slots_sum 2\n", "slotmatch_mask_entropy_ratio_sum 0.5\n",
        "slotmatch_slot_churn_ratio_sum 0.25\n", "slotmatch_tracks_born_total 3\n",
        "slotmatch_tracks_returned_total 1\n", "slotmatch_credits_exceeded_total 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ServerMetrics, GaugesAreReadAtScrapeTimeUnderOneName) {
  ServerMetrics metrics;
  double depth = 3;
  metrics.SetGauges([&] { return depth; }, [] { return 7.0; }, [] { return 5.0; });
  EXPECT_THAT(metrics.Text(), HasSubstr("slotmatch_queue_depth{queue=\"batch\"} 3\n"));
  depth = 4;
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("slotmatch_queue_depth{queue=\"batch\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_queue_depth{queue=\"worker\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("slotmatch_session_credits 5\n"));
  const size_t type = text.find("# TYPE slotmatch_queue_depth");
  ASSERT_NE(type, std::string::npos);
  EXPECT_EQ(text.find("# TYPE slotmatch_queue_depth", type + 1), std::string::npos);
}

TEST(ServerMetrics, LoadIsTheShareOfTakenSessions) {
  ServerMetrics metrics;
  metrics.SetSessionCapacity(4);
  metrics.SessionOpened();
  metrics.SessionOpened();
  metrics.SessionOpened();
  EXPECT_THAT(metrics.Text(), HasSubstr("slotmatch_load_ratio 0.75\n"));
}

TEST(ServerMetrics, LabelValuesAreEscaped) {
  ServerMetrics metrics;
  metrics.SetModels([] {
    return std::vector<ModelSample>{{"a\"b\\c\nd", "1", "", {}, {}, 0, false}};
  });
  EXPECT_THAT(metrics.Text(), HasSubstr("model=\"a\\\"b\\\\c\\nd\""));
}

TEST(ServerMetrics, ScrapesAndCountsFromManyThreads) {
  ServerMetrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        metrics.FrameReceived("raw", 1);
        metrics.StageDone(Stage::kDecode, absl::Milliseconds(1));
        if (i % 50 == 0) metrics.Text();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics.Text(), HasSubstr("slotmatch_frames_received_total{codec=\"raw\"} 800\n"));
}

TEST(ServerMetrics, ProcessValuesAreThere) {
  const std::string text = ServerMetrics().Text();
  for (const char* name : {"process_resident_memory_bytes", "process_virtual_memory_bytes",
                           "process_open_fds", "process_start_time_seconds"}) {
    EXPECT_THAT(text, HasSubstr(name));
    EXPECT_THAT(text, Not(HasSubstr(std::string(name) + " 0\n"))) << name;
  }
}

TEST(ServerMetrics, WrongAddressesAreErrors) {
  ServerMetrics metrics;
  EXPECT_FALSE(metrics.Expose("no address").ok());
  EXPECT_FALSE(metrics.Expose("192.0.2.1:0").ok());  // a documentation address, not this machine's
}

}  // namespace
}  // namespace slotmatch
