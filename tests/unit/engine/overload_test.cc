// Live streams over a model of known cost, in simulated time: what admission, ladder and fair
// shares make of more streams than the model can serve.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "core/engine/admission.h"
#include "tests/support/manual_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/timed_segmenter.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kTick = absl::Microseconds(500);
constexpr double kFps = 10;

// A camera: a frame every period, of which the newest waits while one is inside. Opens when it is
// let in, and asks again when it was told to.
struct Camera {
  AdmissionRequest request;
  absl::Duration period;
  absl::Time next_try;
  std::shared_ptr<Admission::Ticket> ticket;
  absl::Time next_frame;
  std::optional<absl::Time> waiting;
  bool inside = false;
  uint64_t turn = 0;  // as in StreamSession
  int results = 0;
};

class OverloadTest : public testing::Test {
 protected:
  OverloadTest() {
    ScheduleClass& standard = options_.policy.classes[0];
    standard.degradable = true;
    standard.target_wait = model_.TimeOf(8);
    options_.policy.normal = {8, absl::Milliseconds(2)};
    options_.policy.degraded = {8, absl::Milliseconds(4)};
    options_.clock = &clock_;
    options_.own_thread = false;
  }
  ~OverloadTest() override {
    over_ = true;
    scheduler_->Stop();
  }
  void Start() {
    config_.set_max_wait_ratio(2);

    scheduler_ = std::make_unique<BatchScheduler>(options_);
    admission_ = std::make_unique<Admission>(config_, scheduler_.get(), absl::Seconds(1), &clock_);
  }
  // Cameras that come one after the other within two seconds.
  void AddCameras(int count, double fps, const std::string& tenant = "",
                  size_t schedule_class = 0) {
    for (int i = 0; i < count; ++i) {
      Camera& camera = cameras_.emplace_back();
      camera.request = {tenant, schedule_class, model_.info().name, 1000};
      camera.period = absl::Seconds(1) / fps;
      camera.next_try = clock_.Now() + absl::Seconds(2) * i / count;
    }
  }
  void Run(absl::Duration time) {
    latencies_.clear();
    for (Camera& camera : cameras_) camera.results = 0;
    const absl::Time end = clock_.Now() + time;
    while (clock_.Now() < end) {
      if (!scheduler_->RunDue()) Pass(kTick);
    }
  }
  double P99Ms() {
    std::sort(latencies_.begin(), latencies_.end());
    return absl::ToDoubleMilliseconds(latencies_[latencies_.size() * 99 / 100]);
  }
  // Cameras that the model can serve.
  int Fits() const { return static_cast<int>(model_.Capacity(8) / kFps); }
  int Admitted() const {
    return static_cast<int>(std::count_if(cameras_.begin(), cameras_.end(),
                                          [](const Camera& one) { return one.ticket != nullptr; }));
  }

  void Pass(absl::Duration time) {
    for (; time > absl::ZeroDuration(); time -= kTick) {
      clock_.Advance(std::min(time, kTick));
      for (Camera& camera : cameras_) {
        if (!over_) Live(&camera);
      }
      most_queued_ = std::max(most_queued_, scheduler_->queued_frames());
      if (clock_.Now() >= next_tick_) {
        scheduler_->Tick();
        next_tick_ = clock_.Now() + absl::Seconds(1);
      }
    }
  }
  void Live(Camera* camera) {
    const absl::Time now = clock_.Now();
    if (camera->ticket == nullptr) {
      if (now < camera->next_try) return;
      auto verdict = admission_->Admit(camera->request);
      camera->next_try = now + verdict.refusal.retry_after;
      camera->next_frame = now;
      camera->ticket = std::move(verdict.ticket);
      if (camera->ticket != nullptr) camera->turn = camera->ticket->ordinal();
    }
    while (camera->ticket != nullptr && camera->next_frame <= now) {
      const int wanted = options_.policy.classes[camera->request.schedule_class].degradable
                             ? scheduler_->load().bridged_frames
                             : 0;
      const bool bridged = ++camera->turn % (wanted + 1) != 0;
      if (!bridged) camera->waiting = camera->next_frame;
      camera->next_frame += camera->period;
    }
    if (camera->waiting.has_value() && !camera->inside) Submit(camera);
  }
  void Submit(Camera* camera) {
    const absl::Time arrived = *camera->waiting;
    const absl::Duration deadline =
        options_.policy.classes[camera->request.schedule_class].frame_deadline;
    FrameJob job;
    job.model = Borrowed(&model_);
    job.pixels.resize(3 * 8 * 8);
    job.state.slots.resize(12);
    job.tenant = camera->request.tenant;
    job.schedule_class = camera->request.schedule_class;
    job.deadline = arrived + deadline;
    job.done = [this, camera, arrived](const absl::StatusOr<StepOutput>& output,
                                       const StepTiming&) {
      camera->inside = false;
      if (!output.ok()) return;
      ++camera->results;
      latencies_.push_back(clock_.Now() - arrived);
    };
    camera->waiting.reset();
    camera->inside = true;
    ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  }

  ManualClock clock_;
  TimedSegmenter model_{absl::Milliseconds(8), absl::Milliseconds(4),
                        [this](absl::Duration time) { Pass(time); }};
  SchedulerOptions options_;
  config::AdmissionConfig config_;
  std::unique_ptr<BatchScheduler> scheduler_;
  std::unique_ptr<Admission> admission_;
  std::deque<Camera> cameras_;
  std::vector<absl::Duration> latencies_;
  size_t most_queued_ = 0;
  bool over_ = false;
  absl::Time next_tick_ = clock_.Now();
};

TEST_F(OverloadTest, WithDeadlinesLatencyHoldsFromTheFirstSecond) {
  options_.policy.classes[0].frame_deadline = 1.5 * model_.TimeOf(8);
  Start();
  AddCameras(Fits() / 2, kFps);
  Run(absl::Seconds(10));
  const double unloaded = P99Ms();
  AddCameras(4 * Fits() - Fits() / 2, kFps);
  for (int i = 0; i < 4; ++i) {
    Run(absl::Seconds(5));
    EXPECT_LE(P99Ms(), 2 * unloaded) << i;
    EXPECT_GE(latencies_.size(), 0.8 * 5 * model_.Capacity(8)) << "the model is put to use";
  }
}

TEST_F(OverloadTest, WithoutDeadlinesTheLadderBringsLatencyBackAndNothingGrows) {
  Start();
  AddCameras(Fits() / 2, kFps);
  Run(absl::Seconds(10));
  const double unloaded = P99Ms();
  EXPECT_EQ(scheduler_->load(), Load());
  AddCameras(4 * Fits() - Fits() / 2, kFps);
  Run(absl::Seconds(10));
  EXPECT_EQ(scheduler_->load().level, LoadLevel::kNoNewSessions);
  const int admitted = Admitted();
  EXPECT_GT(admitted, Fits()) << "bridging makes room before anyone is refused";
  EXPECT_LT(admitted, 3 * Fits());
  most_queued_ = 0;
  Run(absl::Seconds(60));
  EXPECT_LE(P99Ms(), 2 * unloaded);
  EXPECT_EQ(Admitted(), admitted);
  EXPECT_EQ(admission_->reserved_bytes(), 1000 * admitted);
  EXPECT_LE(most_queued_, static_cast<size_t>(admitted));
  for (const Camera& camera : cameras_) {
    EXPECT_EQ(camera.results > 60, camera.ticket != nullptr) << "everyone who is in gets results";
  }
}

TEST_F(OverloadTest, LadderGoesDownWhenTheLoadIsGone) {
  Start();
  AddCameras(4 * Fits(), kFps);
  Run(absl::Seconds(10));
  EXPECT_EQ(scheduler_->load().level, LoadLevel::kNoNewSessions);
  for (size_t i = 5; i < cameras_.size(); ++i) {
    cameras_[i].ticket.reset();
    cameras_[i].next_try = absl::InfiniteFuture();
  }
  Run(absl::Seconds(60));
  EXPECT_EQ(scheduler_->load(), Load());
  EXPECT_EQ(Admitted(), 5);
}

TEST_F(OverloadTest, TenantWithOneStreamIsServedAsWithoutTheOthers) {
  options_.policy.classes[0].degradable = false;
  Start();
  AddCameras(1, kFps, "one");
  AddCameras(4 * Fits(), kFps, "crowd");
  Run(absl::Seconds(10));
  Run(absl::Seconds(10));
  EXPECT_GE(cameras_.front().results, 0.9 * 10 * kFps);
  EXPECT_LE(cameras_.back().results, 0.9 * 10 * kFps);
}

TEST_F(OverloadTest, ClassesGetTheirShares) {
  options_.policy.classes.push_back(options_.policy.classes[0]);
  for (ScheduleClass& one : options_.policy.classes) one.target_wait = absl::InfiniteDuration();
  options_.policy.classes[0].weight = 3;
  Start();
  AddCameras(2 * Fits(), kFps, "", 0);
  AddCameras(2 * Fits(), kFps, "", 1);
  Run(absl::Seconds(4));
  Run(absl::Seconds(20));
  double results[2] = {0, 0};
  for (const Camera& camera : cameras_) results[camera.request.schedule_class] += camera.results;
  EXPECT_NEAR(results[0] / results[1], 3, 0.1);
}

}  // namespace
}  // namespace slotmatch
